-- Indices into the arrays that are kept as cmsgpack; hold_records.py reads the same ones.
--
-- A hold (`holds:<uid>`) has indices 1 to 22. The same array with 23 to 31 is an ended attempt; the
-- attempts of a request that ended in one bucket are one array in `tomb:<bucket>`. Blobs are msgpack
-- that the server packed and that a script opens only where it must.
local ATTEMPT, DIGEST, CALL, EPOCH, ADMITTED, EXPIRE, HELD, GRANTED = 1, 2, 3, 4, 5, 6, 7, 8
local PERIOD, PERIOD_START, PERIOD_END, HOUR = 9, 10, 11, 12
local LEVELS = 13 -- blob [level, cap at admission or -1, …], levels as in the fields of counters
local PRINCIPAL, KEY_FIELD, REQUEST_ID, TIER = 14, 15, 16, 17
local OFFER = 18 -- blob [input, output wished, choices, four rates, model, lane, upstream, its model]
local ORIGIN = 19 -- blob [key name, labels, model asked, catalog generation]
local TERMS = 20 -- blob [plan, its generation, credit, is metered, charges expiry, alerts [percent, amount, …]]
local HEADROOM, WOULD_DENY = 21, 22
local STATE, ENDED, COST, BILLED, ABSORBED, INCLUDED, METERED = 23, 24, 25, 26, 27, 28, 29
local END_HEADROOM, ENTRIES = 30, 31

local ACTIVE = 'active'
local SETTLED = 'settled'
local RELEASED = 'released'
local EXPIRED_CHARGED = 'expired-charged'
local EXPIRED_RELEASED = 'expired-released'
-- Released before it came: no hold, only a refusal for the attempt (or, with CALL, for one call).
local NEVER = 'never'

local pack, unpack_blob = cmsgpack.pack, cmsgpack.unpack
