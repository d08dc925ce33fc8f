-- The ledger's entries about documents; needs locals now and epoch, as `context` provides them.
--
-- An entry is a msgpack map in field `e`: v 1, k `control`, t (µs), e (epoch), d what was written
-- (`plan`, `catalog`, `account`, `credential` or `layout`) and, as far as they apply: nm its name,
-- g its generation, by its bytes (absent: deleted), and of an account u, q and fl: uid, sequence
-- number and flags.
local function append_control(ledger, entry)
  entry.v, entry.k, entry.t, entry.e = 1, 'control', now, epoch
  redis.call('XADD', ledger, '*', 'e', cmsgpack.pack(entry))
end
