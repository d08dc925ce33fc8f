-- The decision that `admit` takes and `check` foretells (docs/protocol.md §4). Writes nothing.
--
-- ARGV[9]   most entries of the ledger stream before admission stops
-- ARGV[10]  store time in µs after which the caller is gone, '' never
-- ARGV[11]  gate: msgpack [generations of account, plan and catalog, payment method is missing,
--           only observe, hold's life in µs, least output, request interval and burst span in µs,
--           tokens a minute, token burst, its span in µs, most in flight]; 0 is no limit
-- ARGV[12]  terms, kept with the hold (see records)
-- ARGV[13]  levels: msgpack [level, cap or -1, …], the account's month and hour first
-- ARGV[14]  field of the key's validity, '' without a key
-- ARGV[15]  request key, [16] attempt, [17] digest, [18] call, [19] request id, [20] principal
-- ARGV[21]  tier, [22] origin (see records), [23] reason found before under `observe`
-- ARGV[24]  start and [25] end of the proposed period
-- ARGV[26…] candidates in order, each an offer (see records)
--- @include stale
--- @include periods
--- @include overdue
--- @include levels
--- @include rates
local FIRST_OFFER = 26
local SUSPENDED, DELETED = 1, 2

local gate = unpack_blob(ARGV[11])
local account_gen, plan_gen, catalog_gen, payment_missing, observes = gate[1], gate[2], gate[3], gate[4], gate[5]
local expiry, least_output, interval, request_span = gate[6], gate[7], gate[8], gate[9]
local tokens_per_minute, token_burst, token_span, most_in_flight = gate[10], gate[11], gate[12], gate[13]
local key_field = ARGV[14]
local would_deny = ARGV[23]

local found_gen, is_fresh -- the account's generation; whether all three are the caller's
local levels -- as in ARGV[13]
local least, least_exact -- room on the tightest level: under its cap, and under exact arithmetic
local hold_fields -- of holds:<uid>, its sentinel included
local has_more_overdue

-- Reads the account and compares generations; nothing is decided yet.
local function read_account()
  local names = {'gen', 'flags', 'pid', 'pstart', 'pend', 'cl', 'tat_r', 'tat_t', key_field}
  if key_field == '' then
    names[9] = nil
  end
  found_gen = nil
  local found = redis.call('HMGET', ACCOUNT, unpack(names))
  found_gen = found[1]
  for i = 2, #names do
    value[names[i]] = tonumber(found[i] or 0)
  end
  is_fresh = found_gen == account_gen and is_current(PLAN, plan_gen) and is_current(CATALOG, catalog_gen)
end

-- Under `observe` the first denial is remembered and the request goes on; else it is the answer.
local function object(reply)
  if observes == 1 then
    if would_deny == '' then
      would_deny = reply[3]
    end
    return nil
  end
  return reply
end

-- Who is it, and may they at all? Nothing here is only observed, except what the plan demands.
local function deny_by_state()
  if key_field ~= '' and value[key_field] <= now then
    return denied('API_KEY_INVALID')
  end
  local flags = value.flags
  if flags >= DELETED then
    return denied('RESOURCE_NOT_FOUND')
  end
  if flags == SUSPENDED then
    return denied('ACCOUNT_SUSPENDED')
  end
  -- What the caller resolved from documents counts only where they are today's.
  if payment_missing == 1 and is_fresh then
    return object(denied('PAYMENT_METHOD_REQUIRED'))
  end
end

-- Ends what is overdue, then reads the levels' counters.
local function settle_the_past()
  has_more_overdue = end_overdue()
  levels = unpack_blob(ARGV[13])
  local names = {}
  for i = 1, #levels, 2 do
    local settled, held = counters(levels[i], period, hour)
    if not value[settled] then
      names[#names + 1] = settled
    end
    if not value[held] then
      names[#names + 1] = held
    end
  end
  if #names > 0 then
    read_fields(names)
  end
  least, least_exact = rooms(levels, nil, period, hour)
  hold_fields = redis.call('HLEN', HOLDS)
end

local function deny_by_rate()
  if interval > 0 then
    local wait = wait_for('tat_r', interval, request_span)
    if wait > 0 then
      local reply = object(denied('RATE_LIMITED', '', wait))
      if reply then
        return reply
      end
    end
  end
  if most_in_flight > 0 and hold_fields - 1 - #ended_keys >= most_in_flight then
    -- Holds end when their callers say so; nobody knows when, so this is when to ask again.
    local reply = denied('TOO_MANY_IN_FLIGHT', has_more_overdue and 'OVERDUE' or '', POLL_US)
    reply[8] = most_in_flight
    return object(reply)
  end
end

-- Whether the tokens that are asked for pass the rate: 0 they do, -1 they never can, else how long
-- to wait. It is what is asked that must pass, and what is granted that is used up.
local function token_wait(offer)
  if tokens_per_minute == 0 then
    return 0
  end
  local tokens = offer[1] + offer[2] * offer[3]
  if tokens > token_burst then
    return -1
  end
  return wait_for('tat_t', token_cost(tokens, tokens_per_minute), token_span)
end

local function deny_for(need)
  return deny_by_level(levels, nil, need, period, hour, period_end, has_more_overdue)
end

-- Why no candidate passes the token rate: waiting helps the soonest, if any.
local function deny_by_tokens(soonest)
  if soonest then
    return denied('TOKEN_RATE_LIMITED', '', soonest)
  end
  local reply = denied('INVALID_REQUEST', 'TOKEN_BURST')
  reply[8] = token_burst
  return reply
end

-- The first candidate whose whole wish fits; else the first with an output that fits and is worth
-- it. Answers {index, offer, output, need}, or nil and a denial.
local function choose()
  local offers, soonest, cheapest = {}, nil, nil
  for i = FIRST_OFFER, #ARGV do
    local offer = unpack_blob(ARGV[i])
    local wish, wait = offer[2], token_wait(offer)
    if wait == 0 then
      local need = need_of(offer, wish)
      if need <= least then
        return {i - FIRST_OFFER + 1, offer, wish, need}
      end
      offers[i] = offer
      local smallest = need_of(offer, least_output < wish and least_output or wish)
      if not cheapest or smallest < cheapest then
        cheapest = smallest
      end
    elseif wait > 0 and (not soonest or wait < soonest) then
      soonest = wait
    end
  end
  if not cheapest then
    return nil, deny_by_tokens(soonest)
  end
  for i = FIRST_OFFER, #ARGV do
    local offer = offers[i]
    if offer and least_output < offer[2] then
      local output = largest_output(least, offer[1], dearest(offer), offer[3], offer[7], offer[2])
      if output >= least_output then
        return {i - FIRST_OFFER + 1, offer, output, need_of(offer, output)}
      end
    end
  end
  return nil, deny_for(cheapest)
end

-- Under `observe`, what enforcement would deny is granted whole, to the first candidate. Only what
-- arithmetic could not count exactly any more is refused all the same.
local function choose_or_observe()
  local grant, reply = choose()
  if grant or object(reply) then
    return grant, reply
  end
  local offer = unpack_blob(ARGV[FIRST_OFFER])
  local need = need_of(offer, offer[2])
  if need > least_exact then
    return nil, deny_for(need)
  end
  return {1, offer, offer[2], need}
end

-- Generations, period, overdue holds, rates, levels: answers a grant, or nil and the script's reply.
local function decide()
  if not is_fresh or not open_period(tonumber(ARGV[24]), tonumber(ARGV[25])) then
    return nil, stale(account_gen, plan_gen, catalog_gen)
  end
  settle_the_past()
  local reply = deny_by_rate()
  if reply then
    return nil, reply
  end
  return choose_or_observe()
end
