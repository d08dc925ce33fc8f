-- An account's numbers in memory: read before the first write, changed here, written by `commit`.
--
-- KEYS of all scripts on one account, in this order (a script may declare fewer):
-- 1 meta  2 acct:<uid>  3 holds:<uid>  4 due:<uid>  5 due  6 ledger  7 tomb:<bucket>
-- 8 tomb:<bucket − 1>  9 acctdoc:<uid>  10 plan:<name>  11 catalog
-- ARGV[4]  uid
-- ARGV[5]  bucket of tombstones that KEYS[7] is, else the script ends with {'BUCKET', now, bucket}
-- ARGV[6]  replay window, ARGV[7] max hold life, ARGV[8] late window, all in µs
--
-- How these libraries are written, because it decides what a script costs: Lua makes every closure
-- anew in each run, and each local that a closure captures is looked up in a list of all captured
-- ones. With sixty closures over a hundred locals that took 35 µs, more than the decision. So what
-- is shared lies in few tables, and what most runs don't need is made inside an `open_…` function.
--- @include context
local HOUR_US = 3600000000
local MOST_MONEY = 9007199254740992 -- up to here doubles count exactly, whatever a cap says
local uid = ARGV[4]
local span = {replay = tonumber(ARGV[6]), life = tonumber(ARGV[7]), late = tonumber(ARGV[8])}
local key = {
  meta = KEYS[1], account = KEYS[2], holds = KEYS[3], due = KEYS[4], shard_due = KEYS[5],
  ledger = KEYS[6], tombs = KEYS[7], older_tombs = KEYS[8],
  document = KEYS[9], plan = KEYS[10], catalog = KEYS[11],
}

-- A bucket never goes back, or a clock that is set back would hide what ended before it was.
local bucket = math.floor(now / span.replay)
if top_bucket > bucket then
  bucket = top_bucket
end
if bucket ~= tonumber(ARGV[5]) then
  return {'BUCKET', now, bucket}
end

local book = {
  value = {}, -- numbers by field of the account's hash, 0 where it has none
  absent = {}, -- true by field that the hash has not
  changed = {}, -- names of changed fields: in order, and as a set
  blobs = {}, -- texts to write by field
  dropped = {}, -- names of fields to delete
  ended = {}, -- request keys of live holds that end here
  tombs = {}, -- ended attempts by request key, as the current bucket has them or will have them
  buried = {}, -- request keys whose attempts are to be written: in order, and as a set
  entries = {}, -- packed ledger entries to append, in order
  due = nil, -- when something beside a hold's expiry is due, for the sweep
  charged = 0, -- holds that end here by their expiry and are charged
  released = 0, -- the same, given back
}

function book.read(names)
  local found = redis.call('HMGET', key.account, unpack(names))
  local value = book.value
  for i = 1, #names do
    local name = names[i]
    if found[i] then
      value[name] = tonumber(found[i])
    else
      value[name] = 0
      book.absent[name] = true
    end
  end
end

function book.get(name)
  if not book.value[name] then
    book.read({name})
  end
  return book.value[name]
end

function book.set(name, number)
  local changed = book.changed
  if not changed[name] then
    changed[name] = true
    changed[#changed + 1] = name
  end
  book.value[name] = number
end

-- The settled and the held counter of a level, for a hold of that period and hour.
local function counters(level, period, hour)
  if level == 'H' then
    return 's:H' .. hour, 'h:H' .. hour
  end
  return 's:' .. period .. ':' .. level, 'h:' .. period .. ':' .. level
end

-- {'DENIED', now, reason, detail for people, µs until a retry is worth it or -1, holds ended by
-- expiry and charged, and released}; then the reason's own figures
local function denied(reason, detail, wait)
  return {'DENIED', now, reason, detail or '', wait or -1, book.charged, book.released}
end
