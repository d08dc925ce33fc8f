-- Ended attempts of requests, remembered for the replay window in buckets that expire whole.
--
-- A bucket's hash has `<uid>/<request key>` -> cmsgpack array of ended attempts (see records). What
-- ends, or is corrected, goes into the current bucket, where it hides what the older one says of it.
--- @include account
-- More endings than this under one request id are a caller gone wild: each call reads all of them.
local MOST_ATTEMPTS = 32

local ended = {} -- attempts in the current bucket by request key, as read or changed
local rewritten, rewrites = {}, 0 -- request keys to write

local function tomb_field(key)
  return uid .. '/' .. key
end

-- Reads the current bucket's attempts of several requests at once.
local function recall_current(keys)
  local names = {}
  for i = 1, #keys do
    names[i] = tomb_field(keys[i])
  end
  local found = redis.call('HMGET', TOMBS, unpack(names))
  for i = 1, #keys do
    ended[keys[i]] = found[i] and unpack_blob(found[i]) or {}
  end
end

-- Reads the attempts of one request: those of the current bucket and those of the older one.
local function recall(key)
  local field = tomb_field(key)
  local text = redis.call('HGET', TOMBS, field)
  ended[key] = text and unpack_blob(text) or {}
  text = redis.call('HGET', OLDER_TOMBS, field)
  return ended[key], text and unpack_blob(text) or {}
end

-- The first attempt that has what is asked for: what is newer hides what is older.
local function find_in(current, older, is_it)
  for i = 1, #current do
    if is_it(current[i]) then
      return current[i]
    end
  end
  for i = 1, #older do
    if is_it(older[i]) then
      return older[i]
    end
  end
end

-- Keeps an ended attempt; call it only after `recall` or `recall_current` of its key.
local function remember(key, record)
  local list = ended[key]
  local place = #list + 1
  for i = 1, #list do
    local other = list[i]
    if other[STATE] ~= NEVER and other[ATTEMPT] == record[ATTEMPT] and other[ADMITTED] == record[ADMITTED] then
      place = i
    end
  end
  list[place] = record
  if not rewritten[key] then
    rewritten[key] = true
    rewrites = rewrites + 1
    rewritten[rewrites] = key
  end
end
