-- Indices into the arrays that are kept as cmsgpack; hold_records.py reads the same ones.
--
-- A hold (`holds:<uid>`) has indices 1 to 22. The same array with 23 to 31 is an ended attempt; the
-- attempts of a request that ended in one bucket are one array in `tomb:<bucket>`. Blobs are msgpack
-- that the server packed and that a script opens only where it must.
-- What an operator adjusted is kept apart, in fields of the account: see adjust.lua.
-- Made where they are needed; see lib/account.lua on what that saves.
local indices
local function record_indices()
  indices = indices or {
    ATTEMPT = 1, DIGEST = 2, CALL = 3,
    EPOCH = 4, ADMITTED = 5, EXPIRE = 6, -- as at its admission; instants in µs
    HELD = 7, GRANTED = 8, -- nano-USD; output tokens per choice
    PERIOD = 9, PERIOD_START = 10, PERIOD_END = 11, HOUR = 12,
    LEVELS = 13, -- blob [level, cap at admission or -1, …], levels as in the names of counters
    PRINCIPAL = 14, KEY_FIELD = 15, REQUEST_ID = 16, TIER = 17,
    OFFER = 18, -- blob [input, output wished, choices, four rates, model, lane, upstream, its model]
    ORIGIN = 19, -- blob [key name, labels, model asked, catalog generation]
    TERMS = 20, -- blob [plan, generation, credit, is metered, charges expiry, [percent, amount, …]]
    HEADROOM = 21, WOULD_DENY = 22,
    -- The state is settled, released, expired-charged or expired-released; or `never`: released
    -- before it came, which refuses the attempt (or, with a CALL, that one call of it).
    STATE = 23, ENDED = 24,
    COST = 25, BILLED = 26, ABSORBED = 27, INCLUDED = 28, METERED = 29, END_HEADROOM = 30,
    ENTRIES = 31, -- ledger entries so far
  }
  return indices
end
