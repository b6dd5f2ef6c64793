// Connects with the TypeScript SDK v1, lists the tools, calls one, and prints what it saw as JSON.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const { url, headers, tool } = JSON.parse(process.argv[2]);
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
const client = new Client({ name: "peer", version: "1" });
await client.connect(transport);
const { tools } = await client.listTools();
const result = await client.callTool(tool);
console.log(JSON.stringify({ version: transport.protocolVersion, tools, result }));
await client.close();
