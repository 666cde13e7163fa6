import ipaddr from 'ipaddr.js';

const GLOBAL_V6 = ipaddr.parseCIDR('2000::/3');

/** Whether `address`, an IP literal, is one that the whole internet can route to. */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  if (parsed.range() !== 'unicast') return false;
  // Forms that carry an IPv4 address inside (::a.b.c.d and others outside 2000::/3) are nobody's public address.
  return parsed.kind() === 'ipv4' || parsed.match(GLOBAL_V6);
}

/** The IP literal that a URL's hostname is, without brackets; undefined when it is a name. */
export function literalOf(hostname: string): string | undefined {
  const bare = hostname.startsWith('[') && hostname.endsWith(']') ? hostname.slice(1, -1) : hostname;
  return ipaddr.isValid(bare) ? bare : undefined;
}

/** Whether a URL's hostname names this machine: `localhost`, `127.0.0.1` or `[::1]`, the three of RFC 8252 §7.3. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]';
}

// RFC 6761, RFC 6762, RFC 8375 and what the ICANN reserved for private use.
const PRIVATE_NAMES =
  /(^|\.)(localhost|localdomain|local|internal|intranet|private|lan|home|corp|home\.arpa)$/;

/** Whether a URL's hostname is, by its looks alone, reachable only from inside a network. */
export function isPrivateHost(hostname: string): boolean {
  const literal = literalOf(hostname);
  if (literal !== undefined) return !isPublicAddress(literal);
  const name = hostname.toLowerCase().replace(/\.+$/, '');
  return !name.includes('.') || PRIVATE_NAMES.test(name);
}

// Services that speak something else than HTTP but may act on what an HTTP request says.
const SERVICE_PORTS = new Set([
  1080, 1099, 1433, 1521, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 5432, 5433, 5671, 5672,
  5900, 5984, 6000, 6379, 6380, 6432, 6443, 6667, 7000, 7001, 8086, 8500, 9042, 9092, 9200, 9300, 10250,
  10255, 11211, 15672, 26257, 27017, 27018, 27019, 50000, 50051, 50070,
]);

/** Whether a URL's port is one that a web server may stand behind. */
export function isWebPort(url: URL): boolean {
  if (url.port === '') return true;
  const port = Number(url.port);
  return port === 80 || port === 443 || (port > 1024 && !SERVICE_PORTS.has(port));
}

/** The network that an address is counted with: an IPv4 address alone, an IPv6 one with the /64 that one household gets. */
export function networkOf(address: string): string {
  if (!ipaddr.IPv6.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  const half = ipaddr.IPv6.parse(address)
    .parts.slice(0, 4)
    .map(part => part.toString(16));
  return `${half.join(':')}::/64`;
}
