// Better Auth as an owner sets it up, with the two pages that are left to them: where people log in, and where they
// agree to what a client may do. Anyone may log in as anyone. The plugin names versions of Better Auth's own packages
// that are older than those of Better Auth: package.json overrides them.
//
// Its one argument is JSON:
//   port       where it listens; the issuer is http://127.0.0.1:PORT/api/auth
//   database   the SQLite file that everything is kept in
//   scopes     those that clients may ask for, in addition to openid, email and offline_access
//   resources  URLs that tokens may be for, by whatever client
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { oauthProvider } from "@better-auth/oauth-provider";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";

const { port, database, scopes, resources } = JSON.parse(process.argv[2]);
const origin = `http://127.0.0.1:${port}`;
const options = {
  baseURL: origin,
  secret: "a secret of the tests, which is long enough",
  database: new DatabaseSync(database),
  emailAndPassword: { enabled: true },
  databaseHooks: { user: { create: { before: async (user) => ({ data: { ...user, emailVerified: true } }) } } },
  plugins: [
    jwt({ jwks: { keyPairConfigs: [{ alg: "RS256" }] } }), // in addition to EdDSA, for resources that want it
    oauthProvider({
      loginPage: "/log-in",
      consentPage: "/agree",
      scopes: ["openid", "email", "offline_access", ...scopes],
      allowDynamicClientRegistration: true,
      allowUnauthenticatedClientRegistration: true,
      resources,
      clientRegistrationDefaultResources: resources, // else a client that registers itself gets tokens for none of them
    }),
  ],
  rateLimit: { enabled: false },
};
await (await getMigrations(options)).runMigrations();
const auth = betterAuth(options);

/** What a page of the owner asks of Better Auth for whoever sent this request. */
function ask(path, request, body) {
  const headers = { "content-type": "application/json", origin, cookie: request.headers.cookie ?? "" };
  const asked = { method: "POST", headers, body: JSON.stringify(body) };
  return auth.handler(new Request(`${origin}/api/auth${path}`, asked));
}

const pages = {
  "/log-in": async (request, oauth_query, login) => {
    const person = { name: login, email: `${login}@example.com`, password: "the password of everyone" };
    await ask("/sign-up/email", request, person); // is refused where they are known already
    return ask("/sign-in/email", request, { ...person, oauth_query });
  },
  "/agree": (request, oauth_query) => ask("/oauth2/consent", request, { accept: true, oauth_query }),
};
const others = toNodeHandler(auth);

createServer(async (request, response) => {
  const { pathname, search } = new URL(request.url, origin);
  if (!(pathname in pages)) return others(request, response);
  if (request.method === "GET") return response.end('<form method="post"><input name="login"></form>');
  const form = new URLSearchParams(Buffer.concat(await request.toArray()).toString());
  const answer = await pages[pathname](request, search.slice(1), form.get("login"));
  const { url } = await answer.json();
  response.writeHead(302, { location: url, "set-cookie": answer.headers.getSetCookie() }).end();
}).listen(port, "127.0.0.1");
