/** Logs and counts what happens to the file watches of a process. */

import type { WatchEvents } from '../config/files/watch.ts';
import { errorFields, type Logger } from './log.ts';

/**
 * @param watched  what the files are, for the log
 * @param errors   counts each fault
 */
export function fileWatchReports(
  watched: 'configuration' | 'certificates' | 'admin_token',
  log: Logger,
  errors: { inc(): void },
): Omit<WatchEvents, 'onChange'> {
  return {
    onFault: (directory, error) => {
      errors.inc();
      log.error({ watched, directory, fault: errorFields(error) }, 'file watch failed; polling until it works again');
    },
    onRestored: (directory) => log.info({ watched, directory }, 'file watch restored'),
  };
}
