/**
 * One Redis command on its own connection, with the reply as redis-cli would print it: starting that program takes
 * longer than most commands.
 */

import { connect } from 'node:net';

/**
 * Sends a command, after others on the same connection: AUTH, SELECT.
 *
 * @returns the elements of an array line by line; the text of a Redis error like any other
 * @throws if there is no connection, or it ends before the reply
 */
export function redisCommand(
  port: number,
  before: readonly (readonly string[])[],
  command: readonly string[],
): Promise<string> {
  const commands = [...before, command];
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => void socket.write(commands.map(encode).join('')));
    let received = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      received += text;
      const replies = repliesIn(received);
      if (replies.length < commands.length) return;
      resolve(Buffer.from(replies.at(-1) ?? '', 'latin1').toString());
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('Redis closed the connection')));
  });
}

const encode = (words: readonly string[]) =>
  [`*${words.length}\r\n`, ...words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)].join('');

/** The complete replies so far (RESP2), one character for each byte. */
function repliesIn(text: string): readonly string[] {
  const replies: string[] = [];
  for (let at = 0; ; ) {
    const reply = replyAt(text, at);
    if (reply === null) return replies;
    replies.push(reply.text);
    at = reply.end;
  }
}

function replyAt(text: string, at: number): { readonly text: string; readonly end: number } | null {
  const endOfLine = text.indexOf('\r\n', at);
  if (endOfLine === -1) return null;
  const [type, line, next] = [text[at], text.slice(at + 1, endOfLine), endOfLine + 2];
  if (type === '$' && line !== '-1') {
    const end = next + Number(line) + 2;
    return end > text.length ? null : { text: text.slice(next, end - 2), end };
  }
  if (type !== '*') return { text: line === '-1' && type === '$' ? '' : line, end: next };
  const elements: string[] = [];
  let end = next;
  for (let left = Number(line); left > 0; left -= 1) {
    const element = replyAt(text, end);
    if (element === null) return null;
    elements.push(element.text);
    end = element.end;
  }
  return { text: elements.join('\n'), end };
}
