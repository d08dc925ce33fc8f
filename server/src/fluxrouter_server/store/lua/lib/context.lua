-- Identity and clock of the shard, checked before anything else: every script starts with this.
--
-- KEYS[1]  meta
-- ARGV[1]  layout version that the caller knows
-- ARGV[2]  marker of the shard's data that the caller knows
-- ARGV[3]  now in µs; '' on a store with the real clock, whose own time is taken
--
-- Ends the script with {'LOST', marker found}, {'LAYOUT', version found} or {'CLOCK', clock found}.
-- Provides: now (µs), epoch, top_bucket, is_simulated; and meta, whose sixth is until when (ms) the
-- ledger had taken every entry.
local meta = redis.call('HMGET', KEYS[1], 'layout', 'marker', 'epoch', 'clock', 'bucket', 'taken')
if not meta[1] then
  return {'LOST', ''}
end
if meta[1] ~= ARGV[1] then
  return {'LAYOUT', meta[1]}
end
if meta[2] ~= ARGV[2] then
  return {'LOST', meta[2] or ''}
end
local is_simulated = meta[4] == 'simulated'
if is_simulated ~= (ARGV[3] ~= '') then
  return {'CLOCK', meta[4] or ''}
end
local now
if is_simulated then
  now = tonumber(ARGV[3])
else
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local epoch = tonumber(meta[3])
local top_bucket = tonumber(meta[5] or -1)
