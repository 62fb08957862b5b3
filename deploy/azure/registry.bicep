// Where the images are: Doorstep's and those of the environments.
@minLength(5)
@maxLength(50)
param name string
param location string

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' = {
  name: name
  location: location
  sku: {
    name: 'Standard'
  }
  properties: {
    adminUserEnabled: false
  }
}

output name string = registry.name
output server string = registry.properties.loginServer
