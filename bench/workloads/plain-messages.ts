/** Commands as most people send them: one JSON message each, the document inside. */
import { documentOf, idOf, OBJECT_TYPE } from './objects.ts';
import { commandsOf, type WorkloadSpec } from './workload.ts';

export interface PlainMessage {
  readonly op: 'save' | 'delete';
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly document?: unknown;
}

export function* plainMessagesOf(spec: WorkloadSpec): Generator<Buffer> {
  for (const { action, index, version } of commandsOf(spec)) {
    const head = `{"op":"${action}","id":"${idOf(index)}","type":"${OBJECT_TYPE}","version":${version}`;
    const document =
      action === 'delete' ? '' : `,"document":${documentOf(index, spec.revision, spec.documentBytes)}`;
    yield Buffer.from(`${head}${document}}`);
  }
}
