// A server of the TypeScript SDK with the tool that the benchmark calls: node bench.mjs PORT

import { serve } from "@hono/node-server";
import { McpServer, createMcpHandler } from "@modelcontextprotocol/server";
import { z } from "zod";

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "bench", version: "1" });
  const shape = { inputSchema: z.object({ text: z.string() }), outputSchema: z.object({ result: z.string() }) };
  server.registerTool("echo", shape, async ({ text }) => ({
    content: [{ type: "text", text }],
    structuredContent: { result: text },
  }));
  return server;
});

serve({ fetch: (request) => handler.fetch(request), hostname: "127.0.0.1", port: Number(process.argv[2]) });
