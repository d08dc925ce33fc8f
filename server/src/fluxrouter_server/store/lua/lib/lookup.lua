-- Finds the hold that an id names, live or ended, and says who may touch it.
--
-- ARGV[9]   request key
-- ARGV[10]  attempt
-- ARGV[11]  epoch, ARGV[12] ms of admission, both as in the hold's id; '' to find it by request
-- ARGV[13]  principal of the caller
-- ARGV[14]  1 where the caller may meter any hold, else 0
--- @include tombstones
local R, tombs = record_indices(), open_tombs()
local request, attempt = ARGV[9], tonumber(ARGV[10])
local born_epoch, born_ms = tonumber(ARGV[11]), tonumber(ARGV[12])

local function is_named(record)
  return record[R.ATTEMPT] == attempt and record[R.STATE] ~= 'never'
    and (not born_epoch
      or (record[R.EPOCH] == born_epoch and math.floor(record[R.ADMITTED] / 1000) == born_ms))
end

-- The record (ended ones have a STATE), or nil.
local function find_hold()
  local text = redis.call('HGET', key.holds, request)
  if text then
    local record = cmsgpack.unpack(text)
    if is_named(record) then
      tombs.recall_current({request}) -- where it goes when it ends
      return record
    end
  end
  local current, older = recall(request)
  return tombs.find(current, older, is_named)
end

-- Why nothing was found. An id older than the window may have been forgotten; a younger one never was.
local function absence()
  if born_epoch < epoch or now - born_ms * 1000 >= span.replay then
    return denied('HOLD_TOO_OLD')
  end
  return denied('HOLD_NOT_FOUND')
end

local function may_touch(record)
  return ARGV[14] == '1' or record[R.PRINCIPAL] == ARGV[13]
end

-- {verdict, now, 1 where it was given before, state, attempt, epoch, admission in µs, request id,
-- offer, cost, billed, absorbed, included, metered, headroom}
local function receipt(verdict, record, was_given)
  return {
    verdict, now, was_given, record[R.STATE] or 'active', record[R.ATTEMPT], record[R.EPOCH],
    record[R.ADMITTED], record[R.REQUEST_ID], record[R.OFFER],
    record[R.COST] or 0, record[R.BILLED] or 0, record[R.ABSORBED] or 0, record[R.INCLUDED] or 0,
    record[R.METERED] or 0, record[R.END_HEADROOM] or record[R.HEADROOM],
  }
end
