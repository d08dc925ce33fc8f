#!lua flags=allow-oom
-- Gives a plan or the catalog its next generation, in its home shard; an empty document deletes it.
-- KEYS  1 meta  2 the document  3 ledger
-- ARGV  1 layout  2 marker  3 now  4 kind (plan, catalog)  5 name  6 document  7 nonce
--       8 counter that some shard holds already: the new one is above it
-- Returns {'OK', change, generation, update_us, pending}: change is created, configured or unchanged;
-- pending is the generation of which not every shard is known to hold it, or ''.
-- A deletion of what is not there is `unchanged`, with generation '' where there never was one.

--- @include context
--- @include control

local kind, name, document, nonce = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local passed = tonumber(ARGV[8])
local found = redis.call('HMGET', KEYS[2], 'gen', 'doc', 'update_us', 'pending')
local generation, current = found[1], found[2] or ''
local counter = generation and tonumber(string.match(generation, '^%d+')) or 0
if document == current and counter >= passed then
  return {'OK', 'unchanged', generation or '', tonumber(found[3]) or 0, found[4] or ''}
end

local next_generation = string.format('%d-%s', math.max(counter, passed) + 1, nonce)
redis.call('HSET', KEYS[2], 'gen', next_generation, 'doc', document,
  'update_us', now, 'pending', next_generation)
append_control(KEYS[3], {
  d = kind, nm = name, g = next_generation, by = document ~= '' and document or nil,
})
local change = current == '' and 'created' or 'configured'
return {'OK', change, next_generation, now, next_generation}
