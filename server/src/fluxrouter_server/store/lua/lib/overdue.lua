-- Ends holds whose time is over, as the plan that is stamped on each says.
--- @include ending
local MOST_OVERDUE = 256 -- of one account in one script: some 5 ms of the store's time
local stray_keys = {} -- in the due-set without a hold

-- Answers whether there are more than one script may end.
local function end_overdue()
  local keys = redis.call('ZRANGEBYSCORE', HOLD_DUE, '-inf', now, 'LIMIT', 0, MOST_OVERDUE + 1)
  if #keys == 0 then
    return false
  end
  local has_more = #keys > MOST_OVERDUE
  if has_more then
    keys[#keys] = nil
  end
  local found = redis.call('HMGET', HOLDS, unpack(keys))
  local due, records = {}, {}
  for i = 1, #keys do
    if found[i] then
      due[#due + 1] = keys[i]
      records[#records + 1] = unpack_blob(found[i])
    else
      stray_keys[#stray_keys + 1] = keys[i]
    end
  end
  if #due == 0 then
    return has_more
  end
  read_counters(records)
  recall_current(due)
  for i = 1, #due do
    local record = records[i]
    local charges = unpack_blob(record[TERMS])[5] == 1
    -- The counters of a period that was closed under a live hold are gone: nothing can be charged.
    if charges and record[PERIOD] > get('cl') then
      expired_charged = expired_charged + 1
      conclude(due[i], record, EXPIRED_CHARGED, 'expiry', record[HELD], record[HELD])
    else
      expired_released = expired_released + 1
      conclude(due[i], record, EXPIRED_RELEASED, 'expiry', 0, 0)
    end
  end
  return has_more
end
