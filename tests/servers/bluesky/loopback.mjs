// A fence around this process: servers listen on 127.0.0.1 only, and nothing reaches further than that.
// Imported before anything that could open a socket. `refused` says what was tried all the same.
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'

export const refused = []

const isHere = (host) => !host || host === 'localhost' || host === '::1' || host.startsWith('127.')

const refuse = (what) => {
  refused.push(what)
  return Object.assign(new Error(`not on loopback: ${what}`), { code: 'ENOTFOUND' })
}

const { listen } = net.Server.prototype
net.Server.prototype.listen = function (first, ...rest) {
  const options = first !== null && typeof first === 'object' ? first : { port: Number(first ?? 0) }
  const callbacks = rest.filter((one) => typeof one === 'function')
  return listen.call(this, { ...options, host: '127.0.0.1' }, ...callbacks)
}

const { connect } = net.Socket.prototype
net.Socket.prototype.connect = function (...given) {
  // Inside Node the arguments come as one list, that of net.connect.
  const [first, second] = Array.isArray(given[0]) ? given[0] : given
  const { path, host, port } = first !== null && typeof first === 'object' ? first : { port: first, host: second }
  if (path || isHere(typeof host === 'function' ? '' : host)) return connect.apply(this, given)
  const problem = refuse(`${host}:${port}`)
  process.nextTick(() => this.destroy(problem))
  return this
}

for (const resolver of [dns, dns.promises]) {
  for (const name of Object.keys(resolver).filter((one) => one.startsWith('resolve'))) {
    resolver[name] = (host, ...rest) => {
      const problem = refuse(`${name} ${host}`)
      const callback = rest.at(-1)
      return typeof callback === 'function' ? process.nextTick(callback, problem) : Promise.reject(problem)
    }
  }
}
const { lookup } = dns
dns.lookup = (host, ...rest) =>
  isHere(host) ? lookup(host, ...rest) : process.nextTick(rest.at(-1), refuse(`lookup ${host}`))
const { lookup: promised } = dns.promises
dns.promises.lookup = (host, ...rest) =>
  isHere(host) ? promised(host, ...rest) : Promise.reject(refuse(`lookup ${host}`))
dns.setDefaultResultOrder('ipv4first')
syncBuiltinESMExports()
