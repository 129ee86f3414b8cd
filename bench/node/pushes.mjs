// Pushes with the SDK, so many at once: node pushes.mjs <at once> <connections> <seconds>
import { ApiGatewayManagementApiClient, PostToConnectionCommand } from "@aws-sdk/client-apigatewaymanagementapi";
import { spend, tell } from "./spend.mjs";

const [atOnce, audience, seconds] = process.argv.slice(2).map(Number);
const sockets = { maxSockets: atOnce, keepAlive: true };
const client = new ApiGatewayManagementApiClient({
  endpoint: `${process.env.AWS_ENDPOINT_URL}/bench`,
  requestHandler: { httpAgent: sockets, httpsAgent: sockets },
});
const frame = Buffer.from(JSON.stringify({ type: "notification", title: "Incident 1", content: "x".repeat(150) }));
const connections = Array.from({ length: audience }, (_, n) => `L0SM9cOFvHcCI${String(n).padStart(3, "0")}=`);

async function push() {
  let next = 0;
  async function post() {
    while (next < audience) {
      await client.send(new PostToConnectionCommand({ ConnectionId: connections[next++], Data: frame }));
    }
  }
  await Promise.all(Array.from({ length: atOnce }, post));
  return audience;
}

tell(await spend(push, seconds));
