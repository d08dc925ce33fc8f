#!lua flags=allow-oom
-- Removes all that is left of a deleted account, and frees its name (docs/protocol.md §1).
-- KEYS  1 meta  2 names  3 account  4 document  5 holds  6 due of the holds  7 due  8 ledger
-- ARGV  1 layout  2 marker  3 now  4 uid  5 name  6 generation
-- Returns {'OK', 1}; {'OK', 0} where the account is another by now, was revived, has a period that
-- is not closed or a hold, or where the ledger has not taken every entry of the shard yet: only then
-- does it know for certain why the account is missing here.

--- @include context
--- @include control

local uid, name, generation = ARGV[4], ARGV[5], ARGV[6]
local found = redis.call('HMGET', KEYS[3], 'gen', 'flags', 'pid', 'cl', 'seq')
local is_deleted = found[1] == generation and tonumber(found[2]) >= 2
local is_closed = tonumber(found[3] or 0) <= tonumber(found[4] or 0)
local holds = redis.call('HLEN', KEYS[5]) -- the sentinel is none
if not (is_deleted and is_closed) or holds > 1 or redis.call('XLEN', KEYS[8]) > 0 then
  return {'OK', 0}
end

append_control(KEYS[8], {
  d = 'account', nm = name, g = generation, u = uid, q = tonumber(found[5]) + 1,
  fl = tonumber(found[2]),
})
redis.call('ZREM', KEYS[2], name .. '\0' .. uid)
redis.call('ZREM', KEYS[7], uid)
-- Last and all at once: while a slot moves, a key that has gone must not be named again.
redis.call('UNLINK', KEYS[3], KEYS[4], KEYS[5], KEYS[6])
return {'OK', 1}
