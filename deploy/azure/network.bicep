// The network of the cluster, and the gateway's address in it or before it. The address is known before the gateway is,
// so that DNS can be made in the same deployment.
param name string
param location string
@description('Whether the gateway gets an address of the Internet.')
param public bool

// Pods have an overlay network of their own; only nodes and load balancers are in here.
var addresses = '10.40.0.0/16'
var nodes = '10.40.0.0/20'
// The last usable ones of the subnet: Azure gives addresses from the beginning.
var internalGateway = '10.40.15.250'

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  properties: {
    addressSpace: {
      addressPrefixes: [addresses]
    }
    subnets: [
      {
        name: 'nodes'
        properties: {
          addressPrefix: nodes
        }
      }
    ]
  }
}

resource address 'Microsoft.Network/publicIPAddresses@2024-05-01' = if (public) {
  name: '${name}-gateway'
  location: location
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
    publicIPAddressVersion: 'IPv4'
  }
}

output networkId string = network.id
output subnetId string = network.properties.subnets[0].id
output gatewayAddress string = public ? address!.properties.ipAddress : internalGateway
