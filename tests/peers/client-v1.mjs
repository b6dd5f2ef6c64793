// Connects with the TypeScript SDK v1, lists the tools, calls one, and prints what it saw as JSON.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { connect, Login } from "./login.mjs";

const { url, headers, tool, login } = JSON.parse(process.argv[2]);
const authProvider = login && new Login(login.redirect_uri, login.client);
const open = () => new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers }, authProvider });
const client = new Client({ name: "peer", version: "1" });
const transport = await connect(client, open, authProvider);
const { tools } = await client.listTools();
const result = await client.callTool(tool);
console.log(JSON.stringify({ version: transport.protocolVersion, tools, result }));
await client.close();
