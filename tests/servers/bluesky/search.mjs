// The search behind the AppView's `searchUrl`: Bluesky's own is closed, so this is one over the AppView's
// database, with the parameters of the lexicon app.bsky.unspecced.searchPostsSkeleton. Like Bluesky's it
// counts its cursor from the newest hit and ends at a depth, whatever lies below.
import http from 'node:http'

const METHOD = '/xrpc/app.bsky.unspecced.searchPostsSkeleton'
const WORDS = /(?:(\w+):)?(?:"([^"]*)"|(\S+))/g
const MOST = 100

export class Search {
  depth = 10_000 // as of 2026
  asked = [] // the parameters of each question, for tests

  constructor(pool, schema) {
    this.pool = pool
    this.tables = `"${schema}"`
  }

  async listen() {
    const server = http.createServer((request, response) => this.#answer(request, response))
    await new Promise((done) => server.listen(0, '127.0.0.1', done))
    return `http://localhost:${server.address().port}`
  }

  async #answer(request, response) {
    const url = new URL(request.url, 'http://localhost')
    const send = (status, value) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    if (url.pathname !== METHOD) return send(501, { error: 'MethodNotImplemented' })
    this.asked.push(Object.fromEntries(url.searchParams))
    try {
      send(200, await this.find(url.searchParams))
    } catch (problem) {
      send(400, { error: 'BadQueryString', message: problem.message })
    }
  }

  async find(asked) {
    const limit = Math.min(Number(asked.get('limit') ?? 25), MOST)
    const start = Number(asked.get('cursor') ?? 0)
    const end = Math.min(start + limit, this.depth)
    if (start >= this.depth) return { posts: [] }
    const { where, values } = this.#conditions(asked)
    const { rows } = await this.pool.query(
      `select post.uri from ${this.tables}.post as post
         left join ${this.tables}.actor as actor on actor.did = post.creator
        where ${where} order by post."sortAt" desc, post.cid desc limit ${end - start + 1} offset ${start}`,
      values,
    )
    const posts = rows.slice(0, end - start).map(({ uri }) => ({ uri }))
    return rows.length > posts.length && end < this.depth ? { posts, cursor: String(end) } : { posts }
  }

  #conditions(asked) {
    const values = []
    const put = (value) => `$${values.push(value)}`
    const did = (who) => `(select did from ${this.tables}.actor where ${put(who.replace(/^@/, ''))} in (did, handle))`
    const has = (column, value) => `post.${column} @> jsonb_build_array(${put(value)}::text)`
    const links = (pattern) =>
      `exists (select from ${this.tables}.record where record.uri = post.uri and record.json ~* ${put(pattern)})`
    const plain = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    const meanings = {
      since: (value) => `post."sortAt" >= ${put(moment(value))}`,
      until: (value) => `post."sortAt" < ${put(moment(value))}`,
      author: (value) => `post.creator = ${did(value)}`,
      from: (value) => `post.creator = ${did(value)}`,
      lang: (value) => has('langs', value),
      // Within the record's JSON: the facets say who is mentioned and what is linked, an embed what is shown.
      mentions: (value) =>
        `exists (select from ${this.tables}.record where record.uri = post.uri` +
        ` and record.json like '%"did":"' || ${did(value)} || '"%')`,
      domain: (value) => links(`"uri":"https?://([a-z0-9-]+\\.)*${plain(value)}[/":?#]`),
      url: (value) => links(`"uri":"${plain(value)}"`),
      tag: (value) => `(${has('tags', value)} or ${links(`"tag":"${plain(value)}"`)})`,
    }
    const found = ['true']
    for (const [, operator, quoted, bare] of (asked.get('q') ?? '').matchAll(WORDS)) {
      const word = quoted ?? bare
      if (operator && operator in meanings) found.push(meanings[operator](word))
      else if (word.startsWith('#')) found.push(meanings.tag(word.slice(1)))
      else if (word !== '*') {
        const text = operator ? `${operator}:${word}` : word
        found.push(`post.text ilike ${put(`%${text.replace(/[\\%_]/g, '\\$&')}%`)}`)
      }
    }
    for (const [name, value] of asked) {
      if (name in meanings && name !== 'from') found.push(meanings[name](value))
    }
    return { where: found.join(' and '), values }
  }
}

// Times are kept as ISO 8601 text with milliseconds.
const moment = (text) => {
  const found = new Date(text)
  if (Number.isNaN(found.getTime())) throw new Error(`no time: ${text}`)
  return found.toISOString()
}
