// The real Bluesky network in one process, on loopback: PLC, PDS and AppView from @atproto/dev-env, over
// the PostgreSQL and Redis that DB_POSTGRES_URL and REDIS_HOST name. MODULES is the folder it is installed
// in. Prints one line of JSON with its addresses once it is there, and ends when its input does.
import { refused } from './loopback.mjs'
import { lookup, resolveTxt } from 'node:dns/promises'
import http from 'node:http'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Search } from './search.mjs'

const { MODULES, DB_POSTGRES_URL, DB_POSTGRES_SCHEMA } = process.env
const { TestNetwork } = await import(pathToFileURL(`${MODULES}/node_modules/@atproto/dev-env/dist/index.js`))
const { Pool } = createRequire(`${MODULES}/`)('pg')

// Who comes through the gate has this address and no exemption from the PDS's rate limits.
const STRANGER = '192.0.2.7'

const search = new Search(new Pool({ connectionString: DB_POSTGRES_URL, max: 4 }), `appview_${DB_POSTGRES_SCHEMA}`)
const network = await TestNetwork.create({
  pds: {
    hostname: 'localhost',
    enableDidDocWithSession: true,
    rateLimitsEnabled: true,
    rateLimitBypassIps: ['127.0.0.1'],
  },
  bsky: { searchUrl: await search.listen() },
})

const gate = http.createServer((request, response) => {
  const headers = { ...request.headers, 'x-forwarded-for': STRANGER }
  const onward = http.request(network.pds.url + request.url, { method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders)
    answer.pipe(response)
  })
  onward.on('error', () => response.destroy())
  request.pipe(onward)
})

const client = network.bsky.ctx.opts.searchClient

// What a test asks of the network itself, beside what the network does for anyone.
const orders = {
  // Returns once the AppView knows everything that was posted.
  settle: () => network.processAll(60_000),
  // How deep the search goes.
  depth: ({ depth }) => (search.depth = depth),
  // Whether the AppView asks the search, or looks into its database itself, as it does where there is none.
  search: ({ on }) => void (network.bsky.ctx.opts.searchClient = on ? client : undefined),
  // What the search was asked since the last time.
  asked: () => search.asked.splice(0),
  // What was tried beyond loopback.
  refused: () => refused,
  // Try to reach a host in every way there is; how each ended.
  reach: async ({ host, address }) => {
    const tries = [resolveTxt(host), lookup(host), fetch(`http://${host}/`), fetch(`http://${address}/`)]
    return (await Promise.allSettled(tries)).map(({ status }) => status)
  },
  // A feed generator that gives posts in the order named.
  feed: async ({ uri, posts }) => {
    const { did } = await network.createFeedGen({
      [uri]: ({ params }) => {
        const start = Number(params.cursor ?? 0)
        const end = start + params.limit
        const feed = posts.slice(start, end).map((post) => ({ post }))
        const cursor = end < posts.length ? String(end) : undefined
        return { encoding: 'application/json', body: { feed, cursor } }
      },
    })
    return did
  },
}
const control = http.createServer(async (request, response) => {
  let text = ''
  for await (const piece of request) text += piece
  try {
    const value = await orders[request.url.slice(1)](text ? JSON.parse(text) : {})
    response.end(JSON.stringify(value ?? null))
  } catch (problem) {
    response.writeHead(500).end(String(problem.stack))
  }
})

const listen = (server) =>
  new Promise((done) => server.listen(0, '127.0.0.1', () => done(`http://127.0.0.1:${server.address().port}`)))
const here = (url) => url.replace('//localhost', '//127.0.0.1')
console.log(
  JSON.stringify({
    pds: here(network.pds.url),
    appview: here(network.bsky.url),
    gate: await listen(gate),
    control: await listen(control),
  }),
)

const end = () => {
  network.close().finally(() => process.exit(0))
  setTimeout(() => process.exit(0), 5000) // what does not end by itself is of no use any more
}
process.on('SIGTERM', end)
process.stdin.on('end', end).resume()
