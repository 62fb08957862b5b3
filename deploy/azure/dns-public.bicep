// A public zone for the domain. One wildcard for each zone of the shipped classes.
param domain string
param gatewayAddress string
@description('Who may write records: the manager.')
param managerPrincipalId string

var dnsZoneContributor = 'befefa01-2a29-4197-83a8-272ff33ce314'

resource zone 'Microsoft.Network/dnsZones@2018-05-01' = {
  name: domain
  location: 'global'
  properties: {
    zoneType: 'Public'
  }
}

resource wildcards 'Microsoft.Network/dnsZones/A@2018-05-01' = [
  for label in ['int', 'dev', 'prod']: {
    parent: zone
    name: '*.${label}'
    properties: {
      // Upper case here, and lower case in a private zone.
      TTL: 300
      ARecords: [
        {
          ipv4Address: gatewayAddress
        }
      ]
    }
  }
]

resource writer 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(zone.id, managerPrincipalId, dnsZoneContributor)
  scope: zone
  properties: {
    principalId: managerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', dnsZoneContributor)
  }
}

output nameServers array = zone.properties.nameServers
