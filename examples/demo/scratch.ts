/** A database and a prefix of queue names for one run of the demo, removed at its end: nothing stays in given servers. */
import { randomBytes } from 'node:crypto';
import { connect } from 'amqplib';
import { deleteTopology } from '../../src/broker/topology.ts';
import { namesFor } from '../../src/contract/names.ts';
import { runSql } from '../../test/servers/run-sql.ts';
import { PARTITIONS } from './plan.ts';

export interface Scratch {
  readonly prefix: string;
  readonly databaseUrl: string;
  remove(): Promise<void>;
}

export async function createScratch(amqpUrl: string, maintenanceUrl: string): Promise<Scratch> {
  const name = `holdfast-demo-${randomBytes(4).toString('hex')}`;
  await runSql(maintenanceUrl, `CREATE DATABASE "${name}" TEMPLATE template0 ENCODING 'UTF8'`);
  const databaseUrl = new URL(maintenanceUrl);
  databaseUrl.pathname = `/${name}`;
  return {
    prefix: name,
    databaseUrl: databaseUrl.href,
    remove: async () => {
      const model = await connect(amqpUrl);
      await deleteTopology(model, namesFor(name), [PARTITIONS]);
      await model.close();
      await runSql(maintenanceUrl, `DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
    },
  };
}
