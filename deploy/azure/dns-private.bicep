// A private zone for the domain, seen from the network alone. One wildcard for each zone of the shipped classes.
param domain string
param networkId string
param gatewayAddress string
@description('Who may write records: the manager.')
param managerPrincipalId string

var privateDnsZoneContributor = 'b12aa53e-6015-4669-85d0-8515ebb3ae7f'

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: domain
  location: 'global'
}

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: zone
  name: 'cluster'
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: networkId
    }
  }
}

resource wildcards 'Microsoft.Network/privateDnsZones/A@2024-06-01' = [
  for label in ['int', 'dev', 'prod']: {
    parent: zone
    name: '*.${label}'
    properties: {
      ttl: 300
      aRecords: [
        {
          ipv4Address: gatewayAddress
        }
      ]
    }
  }
]

resource writer 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(zone.id, managerPrincipalId, privateDnsZoneContributor)
  scope: zone
  properties: {
    principalId: managerPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', privateDnsZoneContributor)
  }
}
