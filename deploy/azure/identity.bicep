// The manager's identity: its pods exchange the ServiceAccount's token for it, so that no secret is kept anywhere.
param name string
param location string
@description('The issuer of the cluster\'s tokens.')
param issuer string
@description('The ServiceAccount, as its tokens name it.')
param subject string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
}

resource trust 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = {
  parent: identity
  name: 'cluster'
  properties: {
    issuer: issuer
    subject: subject
    audiences: ['api://AzureADTokenExchange']
  }
}

output clientId string = identity.properties.clientId
output principalId string = identity.properties.principalId
