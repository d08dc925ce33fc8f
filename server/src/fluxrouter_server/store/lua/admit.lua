#!lua
-- Admits a request once: sets its worst-case cost aside on every level, or says why not.
--
-- KEYS  1 to 11 as in lib/account.lua
-- ARGV  1 to 8 as in lib/account.lua, from 9 on as in lib/admission.lua
--
-- {'ADMITTED', now, candidate from 1, output tokens, held, headroom, expiry, period's end, epoch,
--  reason observed or '', holds ended by expiry and charged, and released, TATs of requests and of
--  tokens (0 without that rate)}
-- {'REPLAYED', now, record}, {'DENIED', …}, {'STALE', …}, {'LATE', now}, {'BACKLOG', now, entries, age of the oldest in ms}
--- @include replay
--- @include commit
--- @include context

if ARGV[10] ~= '' and now > tonumber(ARGV[10]) then
  return {'LATE', now}
end

--- @include admission

local reply = refusal or replay()
if reply then
  return reply
end

local backlog, lag_ms = redis.call('XLEN', key.ledger), 0
-- The ledger had everything until `taken`; only where that is long ago is the oldest entry looked at.
if backlog > 0 and gate.most_lag > 0
  and (is_simulated or now - tonumber(meta[6] or 0) * 1000 > gate.most_lag * 1000) then
  local clock_ms = is_simulated and redis.call('TIME')[1] * 1000 or now / 1000
  local oldest = redis.call('XRANGE', key.ledger, '-', '+', 'COUNT', 1)[1][1]
  lag_ms = math.floor(clock_ms - tonumber(string.match(oldest, '^%d+')))
end
if backlog >= tonumber(ARGV[9]) or lag_ms > gate.most_lag then
  return {'BACKLOG', now, backlog, lag_ms}
end

local place, offer, output, need = decide()
if not place then
  commit() -- what ended by its expiry has ended, whatever becomes of this request
  return offer
end

if book.absent['h:H' .. open.hour] then
  open.start_hour()
end
for _, held in ipairs(found.at.held) do
  book.set(held, book.value[held] + need)
end
if gate.interval > 0 then
  book.set('tat_r', found.tat)
end
local tokens_tat = 0
if gate.tokens_per_minute > 0 then
  local _, tat = take_tokens(offer[1] + output * offer[3])
  tokens_tat = tat or now + gate.token_burst_us -- above the burst only under `observe`
  book.set('tat_t', tokens_tat)
end
local expiry = now + (gate.expiry < span.life and gate.expiry or span.life)
local headroom = found.least > need and found.least - need or 0
local record = cmsgpack.pack({ -- in the order of lib/records.lua
  tonumber(ARGV[16]), ARGV[17], ARGV[18], epoch, now, expiry, need, output,
  open.period, open.period_start, open.period_end, open.hour, ARGV[13], ARGV[20], ARGV[14], ARGV[19],
  ARGV[21], ARGV[place], ARGV[22], ARGV[12], headroom, would_deny,
})

commit()
-- The account's creation gave both their sentinels.
redis.call('HSET', key.holds, ARGV[15], record)
redis.call('ZADD', key.due, expiry, ARGV[15])
redis.call('ZADD', key.shard_due, 'LT', expiry, uid)
return {
  'ADMITTED', now, place - 25, output, need, headroom, expiry, open.period_end, epoch,
  would_deny, book.charged, book.released, found.tat or 0, tokens_tat,
}
