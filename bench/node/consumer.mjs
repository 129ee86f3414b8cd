// sqs-consumer, receiving and deleting so many messages: node consumer.mjs <messages> <consumers> [one]
// The first run, a tenth of it, is to warm up. With "one", each message gets a call of its own.
import { SQSClient } from "@aws-sdk/client-sqs";
import { Consumer } from "sqs-consumer";
import { spent, tell } from "./spend.mjs";

const [messages, consumers] = process.argv.slice(2, 4).map(Number);
const sqs = new SQSClient({});

async function consume(number) {
  const queueUrl = `${process.env.AWS_ENDPOINT_URL}/000000000000/bench-${process.pid}-${number}`;
  let left = number;
  await new Promise((resolve, reject) => {
    const handler =
      process.argv[4] === "one"
        ? { handleMessage: async (message) => message }
        : { handleMessageBatch: async (batch) => batch };
    const all = Array.from({ length: consumers }, () => Consumer.create({ queueUrl, batchSize: 10, sqs, ...handler }));
    for (const consumer of all) {
      consumer.on("message_processed", () => {
        left -= 1;
        if (left === 0) {
          for (const one of all) one.stop({ abort: true });
          resolve();
        }
      });
      consumer.on("error", (error) => left && reject(error));
      consumer.start();
    }
  });
}

await consume(messages / 10);
const cpu = process.cpuUsage();
const started = performance.now();
await consume(messages);
tell(spent(messages, cpu, started));
