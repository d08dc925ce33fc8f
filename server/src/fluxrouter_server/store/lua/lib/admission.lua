-- The decision that `admit` takes and `check` foretells (docs/protocol.md §4). Writes nothing. Gives
-- `refusal`, a denial by the account's state, and `decide`, which is asked where there is none.
--
-- ARGV[9]   most entries of the ledger stream before admission stops
-- ARGV[10]  store time in µs after which the caller is gone, '' never
-- ARGV[11]  gate: msgpack map of the generations account, plan and catalog; payment_missing and
--           observe (1 or 0); expiry (µs a hold lives), least_output (tokens); interval and
--           request_burst (µs); tokens_per_minute, token_burst (tokens), token_burst_us; most_in_flight;
--           most_lag (ms that the oldest entry of the ledger stream may wait); 0 is no limit;
--           most_absorbed (nano-USD of the period), absent without a stop
-- ARGV[12]  terms, kept with the hold (see records)
-- ARGV[13]  levels: msgpack [level, cap or -1, …], the account's month and hour among them
-- ARGV[14]  field of the key's validity, '' without a key
-- ARGV[15]  request key, [16] attempt, [17] digest, [18] call, [19] request id, [20] principal
-- ARGV[21]  tier, [22] origin (see records), [23] reason found before under `observe`
-- ARGV[24]  start and [25] end of the proposed period
-- ARGV[26…] candidates in order, each an offer (see records)
--- @include stale
--- @include arith
--- @include periods
--- @include levels
--- @include rates
--- @include overdue

local gate = cmsgpack.unpack(ARGV[11])

-- 1. The account, and whether the caller's documents are today's.
local names = {'flags', 'pid', 'pstart', 'pend', 'cl', 'gen'}
if ARGV[14] ~= '' then
  names[#names + 1] = ARGV[14]
end
if gate.interval > 0 or gate.tokens_per_minute > 0 then
  names[#names + 1] = 'tat_r'
  names[#names + 1] = 'tat_t'
end
local texts = redis.call('HMGET', key.account, unpack(names))
for i, name in ipairs(names) do
  book.value[name] = tonumber(texts[i] or 0)
end
if not texts[6] then
  return stale(gate.account, gate.plan, gate.catalog)
end
local is_fresh = texts[6] == gate.account and is_current(key.plan, gate.plan)
  and is_current(key.catalog, gate.catalog)

-- Under `observe` the first denial is remembered and the request goes on; else it is the answer.
local would_deny = ARGV[23]
local function object(reply)
  if gate.observe == 0 then
    return reply
  end
  if would_deny == '' then
    would_deny = reply[3]
  end
end

-- 2. Who is it, and may they at all? Only what the plan demands is ever merely observed, and only
-- where the caller resolved it from today's documents.
local refusal
if ARGV[14] ~= '' and book.value[ARGV[14]] <= now then
  refusal = denied('API_KEY_INVALID')
elseif book.value.flags >= 2 then
  refusal = denied('RESOURCE_NOT_FOUND') -- deleted, suspended or not
elseif book.value.flags == 1 then
  refusal = denied('ACCOUNT_SUSPENDED')
elseif gate.payment_missing == 1 and is_fresh then
  refusal = object(denied('PAYMENT_METHOD_REQUIRED'))
end

-- What the decision finds on its way: `at`, the levels (see levels); the least and the exact room;
-- has_more_overdue; tat, of the requests.
local found = {}

-- How long until so many tokens pass the rate: 0 they do, -1 they never can; and the TAT with them.
local function take_tokens(tokens)
  if gate.tokens_per_minute == 0 then
    return 0
  end
  if tokens > gate.token_burst then
    return -1
  end
  local cost = math.ceil(tokens * 60000000 / gate.tokens_per_minute)
  -- In doubles the cost of a whole burst may come out 1 µs above it, and would never pass.
  return take('tat_t', math.min(cost, gate.token_burst_us), gate.token_burst_us)
end

-- The first candidate whose whole wish fits; else the first with an output that fits and is worth
-- it. Answers place, offer, output and need; or nil and a denial.
local function choose()
  local offers, soonest, cheapest = {}, nil, nil
  for i = 26, #ARGV do
    local offer = cmsgpack.unpack(ARGV[i])
    local wish = offer[2]
    -- It is what is asked that must pass the rate, and what is granted that is used up.
    local wait = take_tokens(offer[1] + wish * offer[3])
    if wait == 0 then
      local need = worst_case(offer, wish)
      if need <= found.least then
        return i, offer, wish, need
      end
      offers[i] = offer
      local smallest = worst_case(offer, math.min(gate.least_output, wish))
      cheapest = math.min(cheapest or smallest, smallest)
    elseif wait > 0 then
      soonest = math.min(soonest or wait, wait)
    end
  end
  if not cheapest then
    local reply = soonest and denied('TOKEN_RATE_LIMITED', '', soonest) or denied('INVALID_REQUEST', 'TOKEN_BURST')
    reply[8] = gate.token_burst
    return nil, reply
  end
  for i = 26, #ARGV do
    local offer = offers[i]
    if offer and gate.least_output < offer[2] then
      local output = largest_output(offer, found.least)
      if output >= gate.least_output then
        return i, offer, output, worst_case(offer, output)
      end
    end
  end
  return nil, deny_by_level(found.at, cheapest, found.has_more_overdue)
end

local function read_levels()
  local at = {names = {}, caps = {}, settled = {}, held = {}, hour = open.hour, period_end = open.period_end}
  local flat, missing = cmsgpack.unpack(ARGV[13]), {}
  for i = 1, #flat, 2 do
    local n = (i + 1) / 2
    local settled, held = counters(flat[i], open.period, open.hour)
    at.names[n], at.caps[n], at.settled[n], at.held[n] = flat[i], flat[i + 1], settled, held
    if not book.value[settled] then
      missing[#missing + 1] = settled
    end
    if not book.value[held] then
      missing[#missing + 1] = held
    end
  end
  local absorbed = gate.most_absorbed and 'abs:' .. open.period
  if absorbed and not book.value[absorbed] then
    missing[#missing + 1] = absorbed
  end
  if #missing > 0 then
    book.read(missing)
  end
  found.at = at
  found.least, found.exact = rooms(at)
end

local function deny_by_rate()
  local reply
  if gate.interval > 0 then
    local wait
    wait, found.tat = take('tat_r', gate.interval, gate.request_burst)
    reply = wait > 0 and object(denied('RATE_LIMITED', '', wait))
  end
  if gate.most_in_flight > 0 and not reply then
    -- The sentinel is no hold, nor is what ends in this very script.
    local in_flight = redis.call('HLEN', key.holds) - 1 - #book.ended
    if in_flight >= gate.most_in_flight then
      -- Holds end when their callers say so; nobody knows when, so this is when to ask again.
      reply = denied('TOO_MANY_IN_FLIGHT', found.has_more_overdue and 'OVERDUE' or '', 1000000)
      reply[8] = gate.most_in_flight
      reply = object(reply)
    end
  end
  return reply
end

-- The stop on what the account's month has cost beyond what could be billed.
local function deny_by_absorbed()
  local absorbed = gate.most_absorbed and book.value['abs:' .. open.period]
  if not absorbed or absorbed < gate.most_absorbed then
    return nil
  end
  local reply = denied('CAP_REACHED')
  reply[8], reply[9], reply[10], reply[11] = 'abs', gate.most_absorbed, absorbed, 0
  reply[12], reply[13] = 0, open.period_end
  return object(reply)
end

-- 3. Generations, period, overdue holds, rates, levels. Answers as `choose` does; nil and the reply
-- of the script where nothing is granted.
local function decide()
  if not is_fresh or not open.find_period(tonumber(ARGV[24]), tonumber(ARGV[25])) then
    return nil, stale(gate.account, gate.plan, gate.catalog)
  end
  found.has_more_overdue = end_overdue()
  read_levels() -- as they are when what is overdue has ended
  local reply = deny_by_absorbed() or deny_by_rate()
  if reply then
    return nil, reply
  end
  local place, offer, output, need = choose()
  if place or object(offer) then
    return place, offer, output, need
  end
  -- Under `observe`, what enforcement would deny is granted whole, to the first candidate. Only what
  -- doubles could not count exactly any more is refused all the same.
  offer = cmsgpack.unpack(ARGV[26])
  need = worst_case(offer, offer[2])
  if need > found.exact then
    return nil, deny_by_level(found.at, need, found.has_more_overdue)
  end
  return 26, offer, offer[2], need
end
