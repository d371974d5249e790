import type pg from 'pg';

export function printCatalog(client: pg.Client): Promise<string>;
