// What Doorstep needs of Azure, in one resource group: a network, a cluster, a registry for images, an identity for the
// manager, and a DNS zone whose wildcards lead to the gateway. docs/aks.md goes through it step by step.
targetScope = 'resourceGroup'

@description('Prefix of every name, of lower-case letters and digits.')
@minLength(3)
@maxLength(12)
param name string = 'doorstep'

@description('Where everything is.')
param location string = resourceGroup().location

@description('The domain of the environments: hosts are made below int, dev and prod of it.')
param domain string

@description('internal: reached from the network alone, with a private zone. public: reached from everywhere, with a public zone.')
@allowed(['internal', 'public'])
param exposure string = 'internal'

@description('Object ids of the Entra groups whose members administrate the cluster.')
@minLength(1)
param adminGroupObjectIds array

@description('Size of the nodes that run gateway, manager and system pods.')
param systemVmSize string = 'Standard_D4s_v5'

@description('Size of the nodes that run environments.')
param environmentVmSize string = 'Standard_D8s_v5'

@description('The most nodes that run environments.')
@minValue(1)
@maxValue(100)
param environmentMaxCount int = 10

@description('Availability zones; empty for a region that has none.')
param zones array = ['1', '2', '3']

@description('Namespace and ServiceAccount of the manager, as the chart makes them.')
param managerNamespace string = 'doorstep'
param managerServiceAccount string = 'doorstep-manager'

module network 'network.bicep' = {
  name: 'network'
  params: {
    name: name
    location: location
    public: exposure == 'public'
  }
}

module registry 'registry.bicep' = {
  name: 'registry'
  params: {
    name: '${name}${uniqueString(resourceGroup().id)}'
    location: location
  }
}

module cluster 'cluster.bicep' = {
  name: 'cluster'
  params: {
    name: name
    location: location
    subnetId: network.outputs.subnetId
    adminGroupObjectIds: adminGroupObjectIds
    systemVmSize: systemVmSize
    environmentVmSize: environmentVmSize
    environmentMaxCount: environmentMaxCount
    zones: zones
    registryName: registry.outputs.name
  }
}

module privateZone 'dns-private.bicep' = if (exposure == 'internal') {
  name: 'dns-private'
  params: {
    domain: domain
    networkId: network.outputs.networkId
    gatewayAddress: network.outputs.gatewayAddress
    managerPrincipalId: identity.outputs.principalId
  }
}

module publicZone 'dns-public.bicep' = if (exposure == 'public') {
  name: 'dns-public'
  params: {
    domain: domain
    gatewayAddress: network.outputs.gatewayAddress
    managerPrincipalId: identity.outputs.principalId
  }
}

module identity 'identity.bicep' = {
  name: 'identity'
  params: {
    name: '${name}-manager'
    location: location
    issuer: cluster.outputs.oidcIssuer
    subject: 'system:serviceaccount:${managerNamespace}:${managerServiceAccount}'
  }
}

output clusterName string = cluster.outputs.name
output registryServer string = registry.outputs.server
output managerClientId string = identity.outputs.clientId
@description('The address that the gateway\'s Service has to ask for.')
output gatewayAddress string = network.outputs.gatewayAddress
@description('With a public zone: the name servers to which the parent zone delegates.')
output nameServers array = exposure == 'public' ? publicZone!.outputs.nameServers : []
