const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 12)) {
  process.stderr.write(
    `Keyhold needs Node 22.12 or newer, and this is ${process.versions.node}; run npm ci, then npm start, which brings its own.\n`,
  );
  process.exit(1);
}

// Only now: what follows uses what older versions lack.
const { start } = await import('./start.js');
process.exit(await start(process.env, process.argv.slice(2)));
