#!lua flags=allow-oom
-- Writes an operator's adjustment, once for each of its ids: a usage correction, which moves counters,
-- or an invoice credit, which moves none (docs/protocol.md §8).
--
-- KEYS  1 to 11 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua
-- ARGV[9]   id of the adjustment, [10] its kind: `adjustment` or `invoice-credit`
-- ARGV[11]  amount in nano-USD: a correction's is a debit above 0 and a refund below, a credit's above 0
-- ARGV[12]  an instant of the period that it belongs to, µs; '' the open one
-- ARGV[13]  number, [14] start and [15] end of the closed period with that instant; '' where unknown
-- ARGV[16]  generation of the account, [17] of the plan
-- ARGV[18]  levels: msgpack [level, cap or -1, …], the account's month first and no hour
-- ARGV[19]  terms, [20] alerts: msgpack [percent, amount, …] ascending, [21] origin (see records)
-- ARGV[22]  principal, [23] reason
-- ARGV[24]  start and [25] end of the proposed period
--
-- {'ADJUSTED', now, 1 where it was written before, record}: the record is msgpack [kind, amount, µs of
--  it, start and end of its period, billed, absorbed, included, metered, credit, settled after or -1,
--  reason]; an account keeps it under its id
-- {'ELSEWHERE', now}: no period that is not closed has that instant
-- {'REFUSED', now, why, level, figure}: why is `closed`, a refund of a period whose counters are gone;
--  `settled`, more than the level has settled; or `inexact`, more than doubles can count
-- {'STALE', …}
--- @include stale
--- @include periods
--- @include ending
--- @include commit

local field, kind, amount = 'adj:' .. ARGV[9], ARGV[10], tonumber(ARGV[11])
local instant = tonumber(ARGV[12])
local written = redis.call('HGET', key.account, field)
if written then
  return {'ADJUSTED', now, 1, written}
end
if not (is_current(key.account, ARGV[16]) and is_current(key.plan, ARGV[17])) then
  return stale(ARGV[16], ARGV[17])
end

local value, ending = book.value, open_ending()
book.read({'pid', 'pstart', 'pend', 'cl', 'seq'})

-- The period that has the instant, as {number, start, end}; nil where none has it that is not closed.
local function find_unclosed()
  local function has(first, last)
    return instant >= first and instant < last
  end
  if value.pid > value.cl and has(value.pstart, value.pend) then
    return {value.pid, value.pstart, value.pend}
  end
  local old = redis.call('HGET', key.account, 'old')
  old = old and cmsgpack.unpack(old) or {}
  for i = 1, #old, 3 do
    if has(old[i + 1], old[i + 2]) then
      return {old[i], old[i + 1], old[i + 2]}
    end
  end
end

local period = instant and find_unclosed()
local first, last = tonumber(ARGV[24]), tonumber(ARGV[25])
if not period and (not instant or (instant >= first and instant < last)) then
  if not open.find_period(first, last) then
    return stale(ARGV[16], ARGV[17])
  end
  if not instant or (instant >= open.period_start and instant < open.period_end) then
    period = {open.period, open.period_start, open.period_end}
  end
end
if not period and ARGV[13] ~= '' and tonumber(ARGV[13]) <= value.cl then
  period = {tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])}
end
if not period then
  return {'ELSEWHERE', now}
end

local number, is_open = period[1], period[1] > value.cl
local settled = counters('a', number, 0)
local included_used, absorbed_sum = 'inc:' .. number, 'abs:' .. number
local levels = cmsgpack.unpack(ARGV[18])

-- What the correction comes to: billed, absorbed and included; or nil and why it is refused.
local function correct()
  if not is_open then
    if amount < 0 then
      return nil, {'REFUSED', now, 'closed', '', 0}
    end
    return 0, amount, 0
  end
  local names = {included_used, absorbed_sum, 'al:' .. number}
  for i = 1, #levels, 2 do
    names[#names + 1], names[#names + 2] = counters(levels[i], number, 0)
  end
  book.read(names)
  local room = MOST_MONEY
  for i = 1, #levels, 2 do
    local s, h = counters(levels[i], number, 0)
    if value[s] + amount < 0 then
      return nil, {'REFUSED', now, 'settled', levels[i], value[s]}
    end
    local cap = levels[i + 1] < 0 and MOST_MONEY or levels[i + 1]
    room = math.min(room, cap - value[s] - value[h])
  end
  if amount < 0 then
    local metered = value[settled] - value[included_used]
    return amount, 0, amount + math.min(metered, -amount) -- metered money is given back first
  end
  local billed = math.min(amount, math.max(0, room))
  -- Half of what can be counted is left for what settlements absorb, which are never refused.
  if value[absorbed_sum] + amount - billed > MOST_MONEY / 2 then
    return nil, {'REFUSED', now, 'inexact', '', value[absorbed_sum]}
  end
  local terms, included = cmsgpack.unpack(ARGV[19]), billed
  if terms[4] == 1 then -- else the plan meters nothing, and never charges anyone
    included = math.min(billed, math.max(0, terms[3] - value[included_used]))
  end
  return billed, amount - billed, included
end

local billed, absorbed, included, credit = 0, 0, 0, 0
if kind == 'invoice-credit' then
  credit = amount
  if is_open then
    book.read({settled})
  end
else
  billed, absorbed, included = correct()
  if not billed then
    return absorbed
  end
  if is_open then
    for i = 1, #levels, 2 do
      local s = counters(levels[i], number, 0)
      book.set(s, value[s] + billed)
    end
    book.set(included_used, value[included_used] + included)
    book.set(absorbed_sum, value[absorbed_sum] + absorbed)
  end
end

ending.append({
  v = 1, k = kind, u = uid, e = epoch, q = ending.next_sequence(), t = now,
  p = number, ps = period[2], pe = period[3], id = ARGV[9], b = billed, ab = absorbed, cr = credit,
  ic = included, me = billed - included, sa = is_open and value[settled] or nil,
  lv = ARGV[18], pr = ARGV[22], og = ARGV[21], tm = ARGV[19], rs = ARGV[23],
})
if is_open and billed > 0 then
  local R = record_indices()
  ending.alert(nil, {
    [R.PERIOD] = number, [R.PERIOD_START] = period[2], [R.PERIOD_END] = period[3],
    [R.REQUEST_ID] = ARGV[9], [R.ATTEMPT] = 0,
  }, cmsgpack.unpack(ARGV[20]))
end
local record = cmsgpack.pack({
  kind, amount, now, period[2], period[3], billed, absorbed, included, billed - included, credit,
  is_open and value[settled] or -1, ARGV[23],
})
book.blobs[field] = record
commit()
return {'ADJUSTED', now, 0, record}
