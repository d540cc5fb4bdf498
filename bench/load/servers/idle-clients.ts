/**
 * Idle keep-alive connections of clients that have sent one request. Reports their number, and holds them until
 * the benchmark ends.
 *
 * Usage: node idle-clients.ts <port> <count> <Host> <Cookie>
 */

import { connect, type Socket } from 'node:net';

const [port, count, host, cookie] = process.argv.slice(2);
const REQUEST = `GET /api/orders HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\n\r\n`;
/** Connections opened at the same time: few enough that none is refused. */
const BATCH = 100;

const open = new Set<Socket>();

function openOne(): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.once('connect', () => {
      open.add(socket);
      socket.write(REQUEST);
    });
    socket.once('data', () => {
      socket.resume();
      resolve();
    });
    socket.on('error', () => {});
    socket.once('close', () => {
      open.delete(socket);
      resolve();
    });
  });
}

process.once('disconnect', () => process.exit());
process.on('message', () => process.send?.({ open: open.size }));
for (let opened = 0; opened < Number(count); opened += BATCH) {
  await Promise.all(Array.from({ length: Math.min(BATCH, Number(count) - opened) }, openOne));
}
process.send?.({ open: open.size });
