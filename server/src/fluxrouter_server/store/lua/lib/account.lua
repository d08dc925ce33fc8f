-- An account's numbers in memory: read before the first write, changed here, written by `commit`.
--
-- KEYS of all scripts on one account, in this order (a script may declare fewer):
-- 1 meta  2 acct:<uid>  3 holds:<uid>  4 due:<uid>  5 due  6 ledger  7 tomb:<bucket>
-- 8 tomb:<bucket − 1>  9 acctdoc:<uid>  10 plan:<name>  11 catalog
-- ARGV[4]  uid
-- ARGV[5]  bucket of tombstones that KEYS[7] is, else the script ends with {'BUCKET', now, bucket}
-- ARGV[6]  replay window, ARGV[7] max hold life, ARGV[8] late window, all in µs
--- @include context
--- @include arith
--- @include records
local META, ACCOUNT, HOLDS, HOLD_DUE, SHARD_DUE, LEDGER = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local TOMBS, OLDER_TOMBS = KEYS[7], KEYS[8]
local SENTINEL = '~'
local HOUR_US = 3600000000
local uid = ARGV[4]
local replay_window, max_hold_life, late_window = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

-- A bucket never goes back, or a clock that is set back would hide what ended before it was.
local bucket = floor(now / replay_window)
if top_bucket > bucket then
  bucket = top_bucket
end
if bucket ~= tonumber(ARGV[5]) then
  return {'BUCKET', now, bucket}
end

local value = {} -- numbers by field of the account's hash, 0 where it has none
local is_absent = {} -- true by field that the hash has not
local changed, changes = {}, 0 -- names of changed fields, in order and as a set
local blobs = {} -- texts to write by field
local dropped = {} -- names of fields to delete

local function read_fields(names)
  local found = redis.call('HMGET', ACCOUNT, unpack(names))
  for i = 1, #names do
    local name = names[i]
    if found[i] then
      value[name] = tonumber(found[i])
    else
      value[name] = 0
      is_absent[name] = true
    end
  end
end

local function get(name)
  if not value[name] then
    read_fields({name})
  end
  return value[name]
end

local function set(name, number)
  if not changed[name] then
    changed[name] = true
    changes = changes + 1
    changed[changes] = name
  end
  value[name] = number
end

local function add(name, amount)
  if amount ~= 0 then
    set(name, get(name) + amount)
  end
end

-- Names the settled and held counter of a level, for a hold of that period and hour.
local function counters(level, period, hour)
  if level == 'H' then
    return 's:H' .. hour, 'h:H' .. hour
  end
  return 's:' .. period .. ':' .. level, 'h:' .. period .. ':' .. level
end

-- The least room on a level that leaves arithmetic exact, whatever its cap.
local function room_of(cap, settled, held)
  if not cap or cap < 0 then
    cap = MOST_MONEY
  end
  return cap - settled - held
end

local expired_charged, expired_released = 0, 0 -- holds that end in this script by their expiry

-- {'DENIED', now, reason, detail for people, µs until a retry is worth it or -1, holds ended by
-- expiry and charged, and released; then the reason's own figures}
local function denied(reason, detail, wait)
  return {'DENIED', now, reason, detail or '', wait or -1, expired_charged, expired_released}
end
