#!lua flags=allow-oom
-- Writes an account's document, if the account is still what the caller read.
-- KEYS  1 meta  2 names  3 account  4 document  5 holds  6 due of the holds  7 ledger  8 due
-- ARGV  1 layout  2 marker  3 now  4 uid  5 name  6 expected generation, '' to create
--       7 new generation  8 flags  9 document  10 number of keys
--       then a field and its instant for each key, then fields of keys that are no more
-- Returns {'OK', time of the store}; {'OK', 0} where the account has another generation, exists
-- already, or another account has the name: nothing is written then.

--- @include context
--- @include control

local uid, name, expected = ARGV[4], ARGV[5], ARGV[6]
local found = redis.call('HMGET', KEYS[3], 'gen', 'seq')
if (found[1] or '') ~= expected then return {'OK', 0} end
local is_new = expected == ''
if is_new then
  local same_name = redis.call('ZRANGE', KEYS[2], '[' .. name .. '\0', '(' .. name .. '\1', 'BYLEX')
  if #same_name > 0 then return {'OK', 0} end
end

local sequence = (tonumber(found[2]) or 0) + 1
local fields = {'gen', ARGV[7], 'flags', ARGV[8], 'update_us', now, 'seq', sequence}
local keys_end = 10 + 2 * tonumber(ARGV[10])
for i = 11, keys_end do fields[#fields + 1] = ARGV[i] end
if is_new then
  redis.call('ZADD', KEYS[2], 0, name .. '\0' .. uid)
  redis.call('HSET', KEYS[5], '~', '')
  redis.call('ZADD', KEYS[6], '+inf', '~')
end
redis.call('HSET', KEYS[3], unpack(fields))
if #ARGV > keys_end then
  redis.call('HDEL', KEYS[3], unpack(ARGV, keys_end + 1))
end
redis.call('SET', KEYS[4], ARGV[9])
if tonumber(ARGV[8]) >= 2 then
  redis.call('ZADD', KEYS[8], 'LT', now, uid) -- the sweep finds out when it may be purged
end
append_control(KEYS[7], {
  d = 'account', nm = name, g = ARGV[7], by = ARGV[9],
  u = uid, q = sequence, fl = tonumber(ARGV[8]),
})
return {'OK', now}
