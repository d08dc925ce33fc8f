-- Finds the hold that an id names, live or ended, and says who may touch it.
--- @include tombstones
--
-- ARGV[9]   request key
-- ARGV[10]  attempt
-- ARGV[11]  epoch, ARGV[12] ms of admission, both as in the hold's id; '' to find it by request
-- ARGV[13]  principal of the caller
-- ARGV[14]  1 where the caller may meter any hold, else 0
local key, attempt = ARGV[9], tonumber(ARGV[10])
local born_epoch, born_ms = tonumber(ARGV[11]), tonumber(ARGV[12])

local function is_named(record)
  return record[ATTEMPT] == attempt and record[STATE] ~= NEVER
    and (not born_epoch
      or (record[EPOCH] == born_epoch and floor(record[ADMITTED] / 1000) == born_ms))
end

-- The record (ended ones have a STATE), or nil.
local function find_hold()
  local text = redis.call('HGET', HOLDS, key)
  if text then
    local record = unpack_blob(text)
    if is_named(record) then
      return record
    end
  end
  local current, older = recall(key)
  return find_in(current, older, is_named)
end

-- Why nothing was found. An id older than the window may have been forgotten; a younger one never was.
local function absence()
  if born_epoch < epoch or now - born_ms * 1000 >= replay_window then
    return denied('HOLD_TOO_OLD')
  end
  return denied('HOLD_NOT_FOUND')
end

local function may_touch(record)
  return ARGV[14] == '1' or record[PRINCIPAL] == ARGV[13]
end
