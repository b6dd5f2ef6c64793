// What the TypeScript clients know of OAuth: a client, registered before or not, and $BROWSER to log in with.
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";

/** An OAuthClientProvider, kept in memory. `client` is what an identity provider registered before, if it did. */
export class Login {
  constructor(redirectUrl, client) {
    this.redirectUrl = redirectUrl;
    this.clientMetadata = {
      client_name: "peer",
      redirect_uris: [redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      application_type: "native", // its redirect URI is on this machine
    };
    this.client = client;
  }

  state = () => (this.expected = randomUUID());
  clientInformation = () => this.client;
  saveClientInformation = (client) => void (this.client = client);
  tokens = () => this.saved;
  saveTokens = (tokens) => void (this.saved = tokens);
  codeVerifier = () => this.verifier;
  saveCodeVerifier = (verifier) => void (this.verifier = verifier);

  redirectToAuthorization(url) {
    this.callback = new URL(execFileSync(process.env.BROWSER, [url.href, "--stay"], { encoding: "utf8" }).trim());
    if (this.callback.searchParams.get("state") !== this.expected) throw new Error(`not our login: ${this.callback}`);
  }
}

/** Connects a client, over a new transport after the login. */
export async function connect(client, open, login) {
  const transport = open();
  try {
    await client.connect(transport);
    return transport;
  } catch (error) {
    if (!login?.callback) throw error;
    await transport.finishAuth(login.callback.searchParams.get("code"), login.callback.searchParams.get("iss"));
  }
  const authorized = open();
  await client.connect(authorized);
  return authorized;
}
