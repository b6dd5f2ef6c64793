// A certified identity provider on this machine, in memory, with new keys at each start. Anyone may log in as anyone.
//
// Its one argument is JSON:
//   port, path    where it listens; the issuer is http://127.0.0.1:PORT and the path, which may be empty
//   registration  whether clients may register themselves (RFC 7591)
//   opaque        whether access tokens are opaque, for introspection by the client `connector` (RFC 7662), and no JWTs
//   scopes        those that clients may ask for, in addition to openid and offline_access
//   lifetime      seconds for which an access token is good
//   documents     whether the HTTPS URL of its metadata document is a client (client ID metadata documents)
//   clients       further clients, as RFC 7591 describes them
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const { port, path, registration, opaque, scopes, lifetime, documents, clients } = JSON.parse(process.argv[2]);
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), alg: "RS256", use: "sig" };

const provider = new Provider(`http://127.0.0.1:${port}${path}`, {
  clients,
  cookies: { keys: [randomUUID()] },
  features: {
    clientCredentials: { enabled: true },
    clientIdMetadataDocument: { enabled: documents, ack: "draft-02" },
    devInteractions: { enabled: true }, // two forms: who it is, and whether the client may
    introspection: { enabled: opaque, allowedPolicy: (_, client) => client.clientId === "connector" },
    registration: { enabled: registration },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        audience: resource,
        scope: ["openid", ...scopes].join(" "), // openid too, as other providers give it to whoever asks
        accessTokenFormat: opaque ? "opaque" : "jwt",
        accessTokenTTL: lifetime,
      }),
      useGrantedResource: () => true, // for clients that name the resource where the login begins, and not again
    },
    revocation: { enabled: true },
  },
  fetch: (url, { dispatcher, ...options }) => fetch(url, options), // the dispatcher refuses what is on this machine
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  jwks: { keys: [key] },
  pkce: { required: () => true },
  scopes: ["openid", "offline_access", ...scopes],
  ttl: { AccessToken: lifetime }, // of tokens for no resource, as a proxy asks for
});
const answer = provider.callback();
const prefix = path.replace(/\/$/, "");
createServer((request, response) => {
  request.originalUrl = request.url; // what the provider makes its own URLs of
  request.url = request.url.replace(prefix, "") || "/";
  answer(request, response);
}).listen(port, "127.0.0.1");
