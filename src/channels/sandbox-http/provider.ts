/** The recording provider as a process. First line of its output: `{port, control_port, journal}`. */
import { createServer, type IncomingMessage } from 'node:http';
import { parseArgs } from 'node:util';
import { type Provider, startProvider } from './recorder.ts';
import { listen } from './serving.ts';

const MAX_REFUSAL_MS = 60_000;

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'control-port': { type: 'string', default: '0' },
    dir: { type: 'string' },
  },
});
if (values.dir === undefined) throw new Error('--dir D: where the journal goes');
const provider = await startProvider({ dir: values.dir, port: Number(values.port) });
const control_port = await control(provider, Number(values['control-port']));
process.stdout.write(`${JSON.stringify({ port: provider.port, control_port, journal: provider.journal })}\n`);

/** `POST /faults` with a plan, `POST /refuse` with `{ms}`. Apart from the provider's own port, which may be shut. */
function control(to: Provider, port: number): Promise<number> {
  const server = createServer((request, response) => {
    read(request)
      .then(async (body) => {
        if (request.url === '/faults') to.plan(body);
        else if (request.url === '/refuse') await to.refuse(Math.min(Number(body.ms) || 0, MAX_REFUSAL_MS));
        else throw new Error(`no such control: ${request.url}`);
        response.end('{}');
      })
      .catch((error: unknown) => {
        response.statusCode = 400;
        response.end(JSON.stringify({ error: String(error) }));
      });
  });
  return listen(server, port);
}

async function read(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text || '{}');
}
