/** What a client has when it is its turn to do something. */
import type { Client } from './client.ts';
import type { Random } from './random.ts';
import type { Book } from './world.ts';

export interface Load {
  client: Client;
  books: Book[];
  /** Somebody to tell what went wrong in the harness itself. */
  trouble: string;
}

export interface Turn extends Load {
  book: Book;
  draw: Random;
}
