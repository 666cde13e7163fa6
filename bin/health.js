// Asks the server in this container whether it can work; the exit code is the answer.
const port = /^\d+$/.test(process.env.KEYHOLD_PORT ?? '') ? process.env.KEYHOLD_PORT : '3000';
const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
process.exit(answer?.ok ? 0 : 1);
