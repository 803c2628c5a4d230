-- Ranks by counted blocks: see docs/decisions, "Ranks by counted blocks".
--
-- The order of each board is cut into blocks. `rank_bounds` says where each begins, `rank_counts` how many standings are
-- in each. Every statement that writes standings changes the counts, in the same transaction. A rank is the sum of the
-- blocks before, and the standings from the block's beginning on. A count that is NULL is not known yet: what adds to
-- it leaves it NULL, and no rank behind it is answered, until tend_ranks has counted.

-- The counts of each 64 blocks together.
CREATE OR REPLACE FUNCTION rank_sums(counts integer[]) RETURNS integer[] LANGUAGE sql IMMUTABLE AS $$
    SELECT array_agg(total ORDER BY part) FROM (
        SELECT (block - 1) / 64 AS part, CASE WHEN count(c) = count(*) THEN sum(c)::int END AS total
        FROM unnest(counts) WITH ORDINALITY AS one(c, block) GROUP BY 1
    ) AS parts
$$;

-- A board begins with one block, from end to end, and nobody in it.
CREATE OR REPLACE FUNCTION begin_ranks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rank_bounds (board_id, place, reached_at, user_id, block)
    VALUES (NEW.id, -9223372036854775808, '-infinity', '00000000-0000-0000-0000-000000000000', 1);
    INSERT INTO rank_counts (board_id, counts, sums) VALUES (NEW.id, '{0}', '{0}');
    RETURN NULL;
END
$$;

-- A statement may fire several triggers at its end, for what it deleted, updated and inserted (INSERT ... ON CONFLICT
-- fires two), and each sees its own rows alone. The first must lock the boards of all, or two such statements could wait
-- for each other: so the boards of all rows are noted on the way.
CREATE OR REPLACE FUNCTION note_board() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    it standings := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
BEGIN
    PERFORM set_config('scoreboard.boards',
        coalesce(current_setting('scoreboard.boards', true), '') || ' ' || it.board_id || ' ', true);
    RETURN it;
END
$$;

-- Add to the counts of a board whose row is locked.
CREATE OR REPLACE FUNCTION add_to_ranks(of_board text, blocks integer[], moved integer[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    held integer[];
    totals integer[];
    most integer;
    too_many boolean := false;
    block integer;
BEGIN
    SELECT counts, sums, split_over INTO held, totals, most FROM rank_counts WHERE board_id = of_board;
    IF NOT FOUND OR array_position(blocks, NULL) IS NOT NULL THEN
        RAISE EXCEPTION USING MESSAGE = 'a standing of ' || of_board || ' has no block in which to count it';
    END IF;
    FOR i IN 1 .. cardinality(blocks) LOOP
        block := blocks[i];
        held[block] := held[block] + moved[i];
        totals[(block - 1) / 64 + 1] := totals[(block - 1) / 64 + 1] + moved[i];
        too_many := too_many OR coalesce(held[block] > most, false);
    END LOOP;
    UPDATE rank_counts SET counts = held, sums = totals, untended = untended OR too_many WHERE board_id = of_board;
END
$$;

CREATE OR REPLACE FUNCTION count_standings() RETURNS trigger LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    touched text[] := coalesce(string_to_array(current_setting('scoreboard.boards', true), ' '), '{}');
    it record;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NOT EXISTS (SELECT FROM new_rows) THEN
            RETURN NULL;
        END IF;
        PERFORM FROM boards WHERE id = ANY (touched) ORDER BY id COLLATE "C" FOR NO KEY UPDATE;
        FOR it IN
            SELECT board_id, array_agg(block) AS blocks, array_agg(moved) AS moved FROM (
                SELECT made.board_id, bound.block, count(*)::int AS moved
                FROM (
                    SELECT *, CASE WHEN lowest THEN score ELSE -score END AS place FROM new_rows
                    WHERE NOT hidden AND (score > 0 OR valued)
                ) AS made
                LEFT JOIN LATERAL (
                    SELECT b.block FROM rank_bounds AS b WHERE b.board_id = made.board_id
                        AND (b.place, b.reached_at, b.user_id) <= (made.place, made.reached_at, made.user_id)
                    ORDER BY b.place DESC, b.reached_at DESC, b.user_id DESC LIMIT 1
                ) AS bound ON true
                GROUP BY 1, 2
            ) AS moves GROUP BY 1
        LOOP
            PERFORM add_to_ranks(it.board_id, it.blocks, it.moved);
        END LOOP;
        -- Whose user was hidden or suspended by a transaction that did not see these rows. Whoever does that locks the
        -- boards as well, so that one of the two sees the other's. The update is counted by its own trigger.
        UPDATE standings SET hidden = true FROM new_rows AS made JOIN users ON users.id = made.user_id
        WHERE standings.board_id = made.board_id AND standings.user_id = made.user_id AND NOT standings.hidden
            AND (users.status <> 'active' OR users.hidden);
    ELSIF TG_OP = 'UPDATE' THEN
        IF NOT EXISTS (SELECT FROM new_rows) THEN
            RETURN NULL;
        END IF;
        touched := touched || (SELECT array_agg(DISTINCT board_id) FROM new_rows);
        PERFORM FROM boards WHERE id = ANY (touched) ORDER BY id COLLATE "C" FOR NO KEY UPDATE;
        FOR it IN
            SELECT board_id, array_agg(block) AS blocks, array_agg(moved) AS moved FROM (
                SELECT made.board_id, bound.block, sum(made.moved)::int AS moved
                FROM (
                    SELECT board_id, reached_at, user_id, 1 AS moved,
                        CASE WHEN lowest THEN score ELSE -score END AS place
                    FROM new_rows WHERE NOT hidden AND (score > 0 OR valued)
                    UNION ALL
                    SELECT board_id, reached_at, user_id, -1, CASE WHEN lowest THEN score ELSE -score END
                    FROM old_rows WHERE NOT hidden AND (score > 0 OR valued)
                ) AS made
                LEFT JOIN LATERAL (
                    SELECT b.block FROM rank_bounds AS b WHERE b.board_id = made.board_id
                        AND (b.place, b.reached_at, b.user_id) <= (made.place, made.reached_at, made.user_id)
                    ORDER BY b.place DESC, b.reached_at DESC, b.user_id DESC LIMIT 1
                ) AS bound ON true
                GROUP BY 1, 2 HAVING sum(made.moved) <> 0 OR bound.block IS NULL
            ) AS moves GROUP BY 1
        LOOP
            PERFORM add_to_ranks(it.board_id, it.blocks, it.moved);
        END LOOP;
    ELSE
        IF NOT EXISTS (SELECT FROM old_rows) THEN
            RETURN NULL;
        END IF;
        PERFORM FROM boards WHERE id = ANY (touched) ORDER BY id COLLATE "C" FOR NO KEY UPDATE;
        FOR it IN
            SELECT board_id, array_agg(block) AS blocks, array_agg(moved) AS moved FROM (
                SELECT gone.board_id, bound.block, -count(*)::int AS moved
                FROM (
                    SELECT *, CASE WHEN lowest THEN score ELSE -score END AS place FROM old_rows
                    WHERE NOT hidden AND (score > 0 OR valued)
                ) AS gone
                LEFT JOIN LATERAL (
                    SELECT b.block FROM rank_bounds AS b WHERE b.board_id = gone.board_id
                        AND (b.place, b.reached_at, b.user_id) <= (gone.place, gone.reached_at, gone.user_id)
                    ORDER BY b.place DESC, b.reached_at DESC, b.user_id DESC LIMIT 1
                ) AS bound ON true
                GROUP BY 1, 2
            ) AS moves GROUP BY 1
        LOOP
            PERFORM add_to_ranks(it.board_id, it.blocks, it.moved);
        END LOOP;
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION empty_ranks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE rank_counts SET counts = array_fill(0, ARRAY[cardinality(counts)]),
        sums = array_fill(0, ARRAY[cardinality(sums)]), untended = false;
    RETURN NULL;
END
$$;

-- A user's standings in the order of boards, then all boards, since others may be settling the user's first points on
-- any of them; what they have committed by then is seen below, and they see the user as it is now.
CREATE OR REPLACE FUNCTION hide_standings() RETURNS trigger LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    hides boolean := NEW.status <> 'active' OR NEW.hidden;
BEGIN
    -- Before its rows: a rebuild, which locks the table against writers, would come in between.
    LOCK TABLE standings IN ROW EXCLUSIVE MODE;
    PERFORM FROM boards JOIN standings ON standings.board_id = boards.id AND standings.user_id = NEW.id
    ORDER BY boards.id COLLATE "C" FOR UPDATE OF standings;
    PERFORM FROM boards ORDER BY id COLLATE "C" FOR NO KEY UPDATE;
    -- A row that came meanwhile may be held by somebody who waits for the boards: give way and begin again, or each
    -- would wait for the other.
    BEGIN
        PERFORM FROM boards JOIN standings ON standings.board_id = boards.id AND standings.user_id = NEW.id
        FOR UPDATE OF standings NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION 'points of this user are being settled' USING ERRCODE = 'serialization_failure';
    END;
    UPDATE standings SET hidden = hides FROM boards
    WHERE standings.board_id = boards.id AND standings.user_id = NEW.id AND standings.hidden <> hides;
    RETURN NULL;
END
$$;

-- Count what is not counted yet, split a block that has grown too large, or join small ones: one such step under the
-- board's lock, in a transaction that writes no standings. True: there may be more to do.
--
-- `most`: standings that are read at most. `smallest`: the size of blocks on a small board.
CREATE OR REPLACE FUNCTION tend_ranks(of_board text, most integer, smallest integer) RETURNS boolean LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_sort = off SET enable_bitmapscan = off AS $$
DECLARE
    held integer[];
    size integer;
    total integer;
    it integer;
    bound rank_bounds;
    until rank_bounds;
    places bigint[];
    moments timestamptz[];
    ids uuid[];
    looked_at integer;
    pieces integer[];
    added integer;
BEGIN
    PERFORM FROM boards WHERE id = of_board FOR NO KEY UPDATE;
    SELECT counts INTO held FROM rank_counts WHERE board_id = of_board;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT coalesce(sum(c), 0) INTO total FROM unnest(held) AS c;
    size := greatest(smallest, total / 4096);
    IF cardinality(held) > 16 + 4 * (total / size) THEN
        -- Neighbours that together hold half a size. One that is not counted stays by itself.
        WITH blocks AS (
            SELECT *, held[block] AS players FROM rank_bounds WHERE board_id = of_board
        ), parted AS (
            SELECT *, count(*) FILTER (WHERE players IS NULL) OVER w AS stretch,
                (sum(players) OVER w - players) / greatest(1, size / 2) AS part
            FROM blocks WINDOW w AS (ORDER BY block)
        ), joined AS (
            SELECT min(block) AS block, sum(players)::int AS players FROM parted GROUP BY stretch, part
        )
        SELECT array_agg(blocks.place ORDER BY block), array_agg(blocks.reached_at ORDER BY block),
            array_agg(blocks.user_id ORDER BY block), array_agg(joined.players ORDER BY block)
        INTO places, moments, ids, pieces FROM joined JOIN blocks USING (block);
        DELETE FROM rank_bounds WHERE board_id = of_board;
        INSERT INTO rank_bounds (board_id, place, reached_at, user_id, block)
        SELECT of_board, * FROM unnest(places, moments, ids) WITH ORDINALITY;
        UPDATE rank_counts SET counts = pieces, sums = rank_sums(pieces) WHERE board_id = of_board;
        RETURN true;
    END IF;
    it := array_position(held, NULL);
    IF it IS NULL THEN
        SELECT min(block) INTO it FROM unnest(held) WITH ORDINALITY AS one(c, block) WHERE c > 2 * size;
    END IF;
    IF it IS NULL THEN
        UPDATE rank_counts SET untended = false, split_over = 2 * size WHERE board_id = of_board;
        RETURN false;
    END IF;
    SELECT * INTO bound FROM rank_bounds WHERE board_id = of_board AND block = it;
    SELECT * INTO until FROM rank_bounds WHERE board_id = of_board AND block = it + 1;
    -- A new block begins at each `size`-th of the standings that are read, and where reading them ends.
    WITH ordered AS MATERIALIZED (
        SELECT place, reached_at, user_id, row_number() OVER () - 1 AS n FROM (
            SELECT CASE WHEN s.lowest THEN s.score ELSE -s.score END AS place, s.reached_at, s.user_id
            FROM standings AS s
            WHERE s.board_id = of_board AND NOT s.hidden AND (s.score > 0 OR s.valued)
                AND (CASE WHEN s.lowest THEN s.score ELSE -s.score END, s.reached_at, s.user_id)
                    >= (bound.place, bound.reached_at, bound.user_id)
                AND (CASE WHEN s.lowest THEN s.score ELSE -s.score END, s.reached_at, s.user_id) < (
                    coalesce(until.place, 9223372036854775807), coalesce(until.reached_at, 'infinity'),
                    coalesce(until.user_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                )
            ORDER BY s.board_id, CASE WHEN s.lowest THEN s.score ELSE -s.score END, s.reached_at, s.user_id
            LIMIT most + 1
        ) AS first
    ), cuts AS (
        SELECT * FROM ordered WHERE n > 0 AND (mod(n, size) = 0 OR n = most)
    )
    SELECT array_agg(place ORDER BY n), array_agg(reached_at ORDER BY n), array_agg(user_id ORDER BY n),
        array_agg(least(size, most - n)::int ORDER BY n), (SELECT count(*) FROM ordered)
    INTO places, moments, ids, pieces, looked_at FROM cuts;
    added := coalesce(cardinality(places), 0);
    pieces := least(size, most, looked_at) || coalesce(pieces, '{}');
    IF looked_at > most THEN
        pieces[added + 1] := held[it] - most;
    ELSE
        pieces[added + 1] := looked_at - (SELECT coalesce(sum(c), 0) FROM unnest(pieces[:added]) AS c);
    END IF;
    UPDATE rank_bounds SET block = block + added WHERE board_id = of_board AND block > it AND added > 0;
    INSERT INTO rank_bounds (board_id, place, reached_at, user_id, block)
    SELECT of_board, place, reached_at, user_id, it + n
    FROM unnest(places, moments, ids) WITH ORDINALITY AS cut(place, reached_at, user_id, n);
    held := held[:it - 1] || pieces || held[it + 1:];
    UPDATE rank_counts SET counts = held, sums = rank_sums(held) WHERE board_id = of_board;
    RETURN true;
END
$$;

-- Reading: each in the snapshot of the statement that asks.

-- The number of standings on a board before a key; NULL while it is not known.
CREATE OR REPLACE FUNCTION standings_ahead(
    of_board text, from_place bigint, from_moment timestamptz, from_user uuid
) RETURNS bigint LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off AS $$
DECLARE
    bound rank_bounds;
    held integer[];
    totals integer[];
    parts integer;
    ahead bigint;
    near bigint;
BEGIN
    SELECT * INTO bound FROM rank_bounds AS b
    WHERE b.board_id = of_board AND (b.place, b.reached_at, b.user_id) <= (from_place, from_moment, from_user)
    ORDER BY b.place DESC, b.reached_at DESC, b.user_id DESC LIMIT 1;
    SELECT counts, sums INTO held, totals FROM rank_counts WHERE board_id = of_board;
    IF bound.block IS NULL OR held[bound.block] IS NULL THEN
        RETURN NULL;
    END IF;
    parts := (bound.block - 1) / 64;
    SELECT CASE WHEN count(c) = count(*) THEN coalesce(sum(c), 0) END INTO ahead
    FROM unnest(totals[:parts] || held[parts * 64 + 1 : bound.block - 1]) AS c;
    SELECT count(*) INTO near FROM standings AS s
    WHERE s.board_id = of_board AND NOT s.hidden AND (s.score > 0 OR s.valued)
        AND (CASE WHEN s.lowest THEN s.score ELSE -s.score END, s.reached_at, s.user_id)
            >= (bound.place, bound.reached_at, bound.user_id)
        AND (CASE WHEN s.lowest THEN s.score ELSE -s.score END, s.reached_at, s.user_id)
            < (from_place, from_moment, from_user);
    RETURN ahead + near;
END
$$;

-- The number of standings on a board; NULL while it is not known. 0 for a board that has no row yet.
CREATE OR REPLACE FUNCTION standings_listed(of_board text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN NOT EXISTS (SELECT FROM boards WHERE id = of_board) THEN 0
        ELSE (
            SELECT CASE WHEN count(c) = count(*) THEN sum(c) END FROM rank_counts, unnest(sums) AS c
            WHERE board_id = of_board
        )
    END
$$;

-- The next standings of a board behind a key, the first of them first, or those before it, the last of them first.
CREATE OR REPLACE FUNCTION standings_beside(
    of_board text, from_place bigint, from_moment timestamptz, from_user uuid, most integer, behind boolean
) RETURNS TABLE (n bigint, player_id uuid, player_score bigint, player_place bigint, player_moment timestamptz)
LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET enable_sort = off SET enable_bitmapscan = off AS $$
BEGIN
    IF behind THEN
        RETURN QUERY SELECT row_number() OVER (), it.user_id, it.score, it.place, it.reached_at FROM (
            SELECT s.user_id, s.score, CASE WHEN s.lowest THEN s.score ELSE -s.score END AS place, s.reached_at
            FROM standings AS s
            WHERE s.board_id = of_board AND NOT s.hidden AND (s.score > 0 OR s.valued)
                AND (CASE WHEN s.lowest THEN s.score ELSE -s.score END, s.reached_at, s.user_id)
                    > (from_place, from_moment, from_user)
            ORDER BY s.board_id, CASE WHEN s.lowest THEN s.score ELSE -s.score END, s.reached_at, s.user_id
            LIMIT most
        ) AS it;
    ELSE
        RETURN QUERY SELECT row_number() OVER (), it.user_id, it.score, it.place, it.reached_at FROM (
            SELECT s.user_id, s.score, CASE WHEN s.lowest THEN s.score ELSE -s.score END AS place, s.reached_at
            FROM standings AS s
            WHERE s.board_id = of_board AND NOT s.hidden AND (s.score > 0 OR s.valued)
                AND (CASE WHEN s.lowest THEN s.score ELSE -s.score END, s.reached_at, s.user_id)
                    < (from_place, from_moment, from_user)
            ORDER BY s.board_id DESC, CASE WHEN s.lowest THEN s.score ELSE -s.score END DESC, s.reached_at DESC,
                s.user_id DESC
            LIMIT most
        ) AS it;
    END IF;
END
$$;

CREATE OR REPLACE TRIGGER standings_board BEFORE INSERT ON standings FOR EACH ROW
WHEN (position(' ' || NEW.board_id || ' ' IN coalesce(current_setting('scoreboard.boards', true), '')) = 0)
EXECUTE FUNCTION note_board();
CREATE OR REPLACE TRIGGER standings_board_left BEFORE DELETE ON standings FOR EACH ROW
WHEN (position(' ' || OLD.board_id || ' ' IN coalesce(current_setting('scoreboard.boards', true), '')) = 0)
EXECUTE FUNCTION note_board();
CREATE OR REPLACE TRIGGER standings_inserted AFTER INSERT ON standings REFERENCING NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION count_standings();
CREATE OR REPLACE TRIGGER standings_updated AFTER UPDATE ON standings
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_standings();
CREATE OR REPLACE TRIGGER standings_deleted AFTER DELETE ON standings REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION count_standings();
CREATE OR REPLACE TRIGGER standings_emptied AFTER TRUNCATE ON standings
FOR EACH STATEMENT EXECUTE FUNCTION empty_ranks();
CREATE OR REPLACE TRIGGER boards_ranks AFTER INSERT ON boards FOR EACH ROW EXECUTE FUNCTION begin_ranks();
