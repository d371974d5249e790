/** The language model that people have their drafts written by: slow, now and then silent, broken, or talking rubbish. */
import {
  answers,
  type Behaviour,
  breaksOff,
  dawdles,
  type ModelServer,
  startModelServer,
  stopsShort,
  writes,
} from '../support/model-server.ts';
import { random } from './random.ts';

/** Of a draft that succeeds. */
const SLOW_MS = [20, 1_400] as const;
const MOODS = { writes: 60, dawdles: 8, fails: 8, refuses: 8, breaksOff: 8, rubbish: 8 } as const;

export async function startModel(seed: number): Promise<ModelServer> {
  const draw = random(seed, 77);
  const model = await startModelServer();
  model.behave = async (response, asked) => {
    const mood = draw.weighted(MOODS);
    await new Promise((resolve) => setTimeout(resolve, draw.between(...SLOW_MS)));
    const behaviours: Record<keyof typeof MOODS, Behaviour> = {
      writes: writes(`Hello, I was asked ${model.asked.length} times.`),
      dawdles,
      fails: answers(500),
      refuses: answers(429),
      breaksOff: draw.next() < 0.5 ? breaksOff : stopsShort,
      rubbish: answers(200, '<html>Sign in</html>'),
    };
    if (!response.destroyed) await behaviours[mood](response, asked);
  };
  return model;
}
