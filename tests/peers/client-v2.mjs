// Connects with the TypeScript client v2 in the given mode, lists the tools, calls one, and prints what it saw as JSON.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const { url, headers, tool, mode } = JSON.parse(process.argv[2]);
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
const client = new Client({ name: "peer", version: "1" }, { versionNegotiation: { mode } });
await client.connect(transport);
const { tools } = await client.listTools();
const result = await client.callTool(tool);
console.log(JSON.stringify({ version: client.getNegotiatedProtocolVersion(), tools, result }));
await client.close();
