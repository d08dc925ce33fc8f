#!lua
-- Admits a request once: sets its worst-case cost aside on every level, or says why not.
--
-- KEYS  1 to 11 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua, from 9 on as in lib/admission.lua
--
-- {'ADMITTED', now, candidate from 1, output tokens, held, headroom, expiry, period's end, epoch,
--  reason observed or '', holds ended by expiry and charged, and released}
-- {'REPLAYED', now, record}, {'DENIED', …}, {'STALE', …}, {'LATE', now}, {'BACKLOG', now, entries}
--- @include replay
--- @include commit

if ARGV[10] ~= '' and now > tonumber(ARGV[10]) then
  return {'LATE', now}
end

read_account()
if not found_gen then
  return stale(account_gen, plan_gen, catalog_gen)
end
local reply = deny_by_state() or replay()
if reply then
  return reply
end

local backlog = redis.call('XLEN', LEDGER)
if backlog >= tonumber(ARGV[9]) then
  return {'BACKLOG', now, backlog}
end

local grant
grant, reply = decide()
if not grant then
  commit() -- what ended by its expiry has ended, whatever becomes of this request
  return reply
end

local index, offer, output, need = grant[1], grant[2], grant[3], grant[4]
open_hour()
for i = 1, #levels, 2 do
  local _, held = counters(levels[i], period, hour)
  add(held, need)
end
if interval > 0 then
  use('tat_r', interval, request_span)
end
if tokens_per_minute > 0 then
  use('tat_t', token_cost(offer[1] + output * offer[3], tokens_per_minute), token_span)
end
local headroom = least > need and least - need or 0
local expiry_us = now + (expiry < max_hold_life and expiry or max_hold_life)
local record = pack({
  attempt, digest, call, epoch, now, expiry_us, need, output,
  period, period_start, period_end, hour, ARGV[13], ARGV[20], key_field, ARGV[19], ARGV[21],
  ARGV[FIRST_OFFER + index - 1], ARGV[22], ARGV[12], headroom, would_deny,
})

commit()
if hold_fields == 0 then
  redis.call('HSET', HOLDS, SENTINEL, '', key, record)
  redis.call('ZADD', HOLD_DUE, 'inf', SENTINEL, expiry_us, key)
  redis.call('ZADD', SHARD_DUE, 'LT', 'inf', SENTINEL, expiry_us, uid)
else
  redis.call('HSET', HOLDS, key, record)
  redis.call('ZADD', HOLD_DUE, expiry_us, key)
  redis.call('ZADD', SHARD_DUE, 'LT', expiry_us, uid)
end
return {
  'ADMITTED', now, index, output, need, headroom, expiry_us, period_end, epoch,
  would_deny, expired_charged, expired_released,
}
