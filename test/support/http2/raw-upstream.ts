/** An HTTP/2 upstream whose frames a test writes by hand, to send what no library would. */

import { RawUpstream } from '../raw-upstream.ts';
import { END_HEADERS, END_STREAM, type Field, FRAME, type Frame, fieldBlock, frame } from './client.ts';

const ACK = 1;
const PREFACE_LENGTH = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'.length;

/** Writes frames on a connection; `number` counts connections from 1. */
export type OnFrame = (frame: Frame, send: (...frames: readonly Buffer[]) => void, number: number) => void;

/** Starts one that acknowledges the settings and passes every other frame to a function. */
export function startRawHttp2(onFrame: OnFrame): Promise<RawUpstream> {
  let connections = 0;
  return RawUpstream.start((socket) => {
    connections += 1;
    const number = connections;
    const send = (...frames: readonly Buffer[]) => void socket.write(Buffer.concat(frames));
    const read = frameReader((received) => {
      if (received.type !== FRAME.settings) onFrame(received, send, number);
      else if ((received.flags & ACK) === 0) send(frame(FRAME.settings, ACK, 0));
    });
    send(frame(FRAME.settings, 0, 0));
    socket.on('data', read);
  });
}

function frameReader(onFrame: (frame: Frame) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  let toSkip = PREFACE_LENGTH;
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    const skipped = Math.min(toSkip, rest.length);
    toSkip -= skipped;
    rest = rest.subarray(skipped);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3);
      const [type, flags] = [rest.readUInt8(3), rest.readUInt8(4)];
      onFrame({ type, flags, stream: rest.readUInt32BE(5), payload: rest.subarray(9, end) });
      rest = rest.subarray(end);
    }
  };
}

/** The head of a 200 answer. */
export const answerHead = (stream: number, ...fields: readonly Field[]): Buffer =>
  frame(FRAME.headers, END_HEADERS, stream, fieldBlock([[':status', '200'], ...fields]));

/** A part of its body, the last one by default. */
export const answerData = (stream: number, text: string, flags: number = END_STREAM): Buffer =>
  frame(FRAME.data, flags, stream, text);
