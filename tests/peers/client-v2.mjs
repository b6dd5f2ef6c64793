// Connects with the TypeScript client v2 in the given mode, lists the tools, calls one, and prints what it saw as JSON.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { connect, Login } from "./login.mjs";

const { url, headers, tool, mode, login } = JSON.parse(process.argv[2]);
const authProvider = login && new Login(login.redirect_uri, login.client);
const open = () => new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers }, authProvider });
const client = new Client({ name: "peer", version: "1" }, { versionNegotiation: { mode } });
await connect(client, open, authProvider);
const { tools } = await client.listTools();
const result = await client.callTool(tool);
console.log(JSON.stringify({ version: client.getNegotiatedProtocolVersion(), tools, result }));
await client.close();
