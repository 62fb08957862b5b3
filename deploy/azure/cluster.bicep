// The cluster: no local accounts, workload identity, network policies that are enforced, system and environments apart.
param name string
param location string
param subnetId string
param adminGroupObjectIds array
param systemVmSize string
param environmentVmSize string
param environmentMaxCount int
param zones array
@description('The registry from which nodes may pull.')
param registryName string

var networkContributor = '4d97b98b-1d4f-4787-a291-c67834d212e7'
var acrPull = '7f951dda-4ed3-4680-a7ca-43fe172d538d'

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = {
  name: registryName
}

resource cluster 'Microsoft.ContainerService/managedClusters@2026-05-01' = {
  name: name
  location: location
  sku: {
    name: 'Base'
    // With an agreement on the API server's availability.
    tier: 'Standard'
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    dnsPrefix: name
    disableLocalAccounts: true
    enableRBAC: true
    aadProfile: {
      managed: true
      enableAzureRBAC: false
      adminGroupObjectIDs: adminGroupObjectIds
    }
    oidcIssuerProfile: {
      enabled: true
    }
    securityProfile: {
      workloadIdentity: {
        enabled: true
      }
      imageCleaner: {
        enabled: true
        intervalHours: 48
      }
    }
    autoUpgradeProfile: {
      upgradeChannel: 'patch'
      nodeOSUpgradeChannel: 'NodeImage'
    }
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      // Without a policy engine the chart's NetworkPolicies would be accepted and ignored.
      networkDataplane: 'cilium'
      networkPolicy: 'cilium'
      loadBalancerSku: 'standard'
      podCidr: '10.244.0.0/16'
      serviceCidr: '10.41.0.0/16'
      dnsServiceIP: '10.41.0.10'
    }
    agentPoolProfiles: [
      {
        name: 'system'
        mode: 'System'
        type: 'VirtualMachineScaleSets'
        osType: 'Linux'
        osSKU: 'AzureLinux'
        vmSize: systemVmSize
        enableAutoScaling: true
        count: 2
        minCount: 2
        maxCount: 5
        availabilityZones: zones
        vnetSubnetID: subnetId
        upgradeSettings: {
          maxSurge: '33%'
          drainTimeoutInMinutes: 30
        }
      }
    ]
  }
}

resource environments 'Microsoft.ContainerService/managedClusters/agentPools@2026-05-01' = {
  parent: cluster
  name: 'envs'
  properties: {
    mode: 'User'
    type: 'VirtualMachineScaleSets'
    osType: 'Linux'
    osSKU: 'AzureLinux'
    vmSize: environmentVmSize
    enableAutoScaling: true
    count: 1
    minCount: 1
    maxCount: environmentMaxCount
    availabilityZones: zones
    vnetSubnetID: subnetId
    nodeLabels: {
      'doorstep.dev/pool': 'environments'
    }
    upgradeSettings: {
      maxSurge: '33%'
      drainTimeoutInMinutes: 30
    }
  }
}

// The cluster puts the load balancer into the subnet, or before a public address, of this resource group.
resource balancers 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, name, networkContributor)
  properties: {
    principalId: cluster.identity.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', networkContributor)
  }
}

resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, name, acrPull)
  scope: registry
  properties: {
    principalId: cluster.properties.identityProfile.kubeletidentity.objectId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
  }
}

output name string = cluster.name
output oidcIssuer string = cluster.properties.oidcIssuerProfile.issuerURL
