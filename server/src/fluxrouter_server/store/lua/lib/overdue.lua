-- Ends holds whose time is over, as the plan that is stamped on each says.
--- @include ending

-- Ends up to 256 (some 5 ms of the store's time); answers whether there are more, and how many
-- request keys were due.
local function end_overdue()
  local most = 256
  local count = redis.call('ZCOUNT', key.due, '-inf', now)
  if count == 0 then
    return false, 0
  end
  local has_more = count > most
  local requests = redis.call('ZRANGEBYSCORE', key.due, '-inf', now, 'LIMIT', 0, most)
  local R, ending, due, records = record_indices(), open_ending(), {}, {}
  for i, text in ipairs(redis.call('HMGET', key.holds, unpack(requests))) do
    -- A request key without a hold does no harm; `expire` takes it out.
    if text then
      due[#due + 1] = requests[i]
      records[#records + 1] = cmsgpack.unpack(text)
    end
  end
  if #due == 0 then
    return has_more, #requests
  end
  ending.read_counters(records)
  open_tombs().recall_current(due)
  for i, record in ipairs(records) do
    -- The counters of a period that was closed under a live hold are gone: nothing can be charged.
    if ending.is_open(record) and cmsgpack.unpack(record[R.TERMS])[5] == 1 then
      local held = record[R.HELD]
      ending.conclude(due[i], record, {state = 'expired-charged', kind = 'expiry', cost = held, billed = held})
      book.charged = book.charged + 1
    else
      ending.conclude(due[i], record, {state = 'expired-released', kind = 'expiry', cost = 0, billed = 0})
      book.released = book.released + 1
    end
  end
  return has_more, #requests
end
