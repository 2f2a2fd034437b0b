/** A column of a view: its DuckDB type and what it says. */
export interface ViewColumn {
  readonly type: string;
  readonly what: string;
  /** How it is made of the file's columns where it isn't simply the column of its name. */
  readonly from?: string;
}

/** A view over a run: what it holds, and its columns, whatever the run's files lack. */
export interface View {
  readonly what: string;
  readonly columns: Readonly<Record<string, ViewColumn>>;
}

const column = (type: string, what: string, from?: string): ViewColumn =>
  from === undefined ? { type, what } : { type, what, from };

const verdict = {
  stage: column('VARCHAR', 'the stage that said it'),
  reason: column('VARCHAR', 'why, in one word'),
  value: column('VARCHAR', 'what was found'),
  threshold: column('VARCHAR', 'what it was held against; null where nothing is measured'),
};

const origin = {
  shard: column('VARCHAR', 'the source file that the row was read from'),
  row_group: column('INTEGER', 'its row group there'),
  row: column('INTEGER', "the row's index in its row group"),
};

/** The views, in the order in which they are listed. A column that the run's files lack is null. */
export const views = {
  rows: {
    what: 'the kept rows, without images and embeddings',
    columns: {
      key: column('VARCHAR', "the row's name, unique in the data set"),
      language: column('VARCHAR', 'the identified language (BCP 47), `und` where it cannot be told'),
      language_score: column('FLOAT', 'the probability of that language'),
      text: column('VARCHAR', 'the alt-text that trains'),
      alt_texts: column('VARCHAR[]', 'every alt-text that is left'),
      removed_texts: column(
        'STRUCT("text" VARCHAR, reason VARCHAR, "value" VARCHAR, threshold VARCHAR)[]',
        'the alt-texts that the row lost, and why',
      ),
      url: column('VARCHAR', 'where the image was found'),
      page_title: column('VARCHAR', 'the title of its page'),
      page_language: column('VARCHAR', 'the language that the page declares'),
      width: column('INTEGER', 'pixels'),
      height: column('INTEGER', 'pixels'),
      image_stats: column(
        'STRUCT(bytes INTEGER, format VARCHAR, channels INTEGER, frames INTEGER, mean FLOAT, deviation FLOAT, entropy FLOAT, sharpness FLOAT, chroma FLOAT)',
        "the image's measures",
      ),
      sha256: column('VARCHAR', 'of the encoded image'),
      text_score: column('FLOAT', "the teacher's cosine similarity of the image and `text`"),
      text_scores: column('FLOAT[]', 'the same of each of `alt_texts`'),
      regions: column('STRUCT(box FLOAT[], "text" VARCHAR, score FLOAT)[]', 'labelled regions'),
      labels: column(
        'STRUCT(stage VARCHAR, reason VARCHAR, "value" VARCHAR, threshold VARCHAR)[]',
        'what filters that only label said',
      ),
      locca: column('STRUCT(task VARCHAR, "prefix" VARCHAR, target VARCHAR)[]', "LocCa's sequences"),
      file: column('VARCHAR', "the run's shard, such as 00000.parquet", 'parse_filename(filename)'),
      file_row: column('BIGINT', "the row's index in that shard", 'file_row_number'),
    },
  },
  dropped: {
    what: 'sound rows that a stage left out',
    columns: {
      key: column('VARCHAR', "the row's name"),
      ...verdict,
      language: column('VARCHAR', 'as identified; null before it was, and in runs that did not record it'),
      kept_key: column('VARCHAR', 'the row that is kept in its place, of a duplicate'),
      ...origin,
    },
  },
  quarantined: {
    what: 'bad data; a shard that could not be read has no row',
    columns: {
      key: column('VARCHAR', "the row's name, where it could be read"),
      ...origin,
      stage: verdict.stage,
      reason: verdict.reason,
      detail: column('VARCHAR', 'what the decoder or the reader said'),
    },
  },
  verdicts: {
    what: 'what every stage had against a row: dropped, quarantined and labelled together',
    columns: {
      key: column('VARCHAR', "the row's name"),
      outcome: column('VARCHAR', '`dropped`, `quarantined`, or `labelled`: kept all the same'),
      ...verdict,
    },
  },
  lineage: {
    what: 'where each kept row was read, and where it was written',
    columns: {
      key: column('VARCHAR', "the row's name"),
      ...origin,
      // A file of lineage is called as its shard is.
      file: column('VARCHAR', "the run's shard, such as 00000.parquet", 'parse_filename(filename)'),
      file_row: column('BIGINT', "the row's index in that shard"),
    },
  },
  duplicates: {
    what: 'groups of duplicates, the kept row of each among them',
    columns: {
      group_key: column('VARCHAR', 'the key of the row that is kept for the group'),
      key: column('VARCHAR', "the member's key"),
      kind: column('VARCHAR', '`kept`, `exact` or `near`'),
      outcome: column('VARCHAR', '`kept`, `dropped`, or `labelled`: kept all the same'),
      value: column('VARCHAR', 'how near it was found to be'),
      threshold: column('VARCHAR', 'how near was asked for'),
    },
  },
  regions: {
    what: 'one row a labelled region of a kept row',
    columns: {
      key: column('VARCHAR', "the image's row"),
      region: column('INTEGER', 'its place in `rows.regions`, from 0'),
      language: column('VARCHAR', "the row's language"),
      text: column('VARCHAR', 'the n-gram'),
      score: column('FLOAT', 'in [0, 1]'),
      ymin: column('FLOAT', 'a fraction of the height'),
      xmin: column('FLOAT', 'a fraction of the width'),
      ymax: column('FLOAT', 'a fraction of the height'),
      xmax: column('FLOAT', 'a fraction of the width'),
    },
  },
  languages: {
    what: 'one row a language, from the reports',
    columns: {
      language: column('VARCHAR', 'BCP 47'),
      seen: column('BIGINT', 'rows identified as this language'),
      available: column('BIGINT', 'of them, rows that the mix could take'),
      kept: column('BIGINT', 'of them, rows that were kept'),
      requested_share: column('DOUBLE', 'of the kept rows, as the mix asked'),
      realised_share: column('DOUBLE', 'of the kept rows, as it came'),
      offered: column('BIGINT', 'pairs of it in super-batches'),
      selected: column('BIGINT', 'pairs of it in the batches selected of them'),
    },
  },
  stages: {
    what: 'the funnel: one row a stage, in order, from the report',
    columns: {
      position: column('INTEGER', 'from 0'),
      stage: column('VARCHAR', 'its name'),
      rows_in: column('BIGINT', 'rows that came'),
      rows_out: column('BIGINT', 'rows that it passed on'),
      seconds: column('DOUBLE', 'its own time'),
    },
  },
  selections: {
    what: 'every selected pair',
    columns: {
      step: column('INTEGER', 'from 0'),
      position: column('INTEGER', 'its place in the batch'),
      chunk: column('INTEGER', 'the chunk in which it was selected'),
      index: column('INTEGER', 'its place in the super-batch'),
      key: column('VARCHAR', "the pair's row"),
      language: column('VARCHAR', "the row's language"),
      self_score: column('FLOAT', "the pair's own score: its learnability, where that is the method"),
      logit: column('FLOAT', 'its score given the pairs selected before its chunk'),
      learner_loss: column('FLOAT', "the learner's loss of the pair"),
      teacher_loss: column('FLOAT', "the teacher's loss of the pair"),
    },
  },
  offers: {
    what: 'every pair of every super-batch, where the recipe records them',
    columns: {
      step: column('INTEGER', 'the first step that chose from the super-batch'),
      index: column('INTEGER', 'its place in the super-batch'),
      key: column('VARCHAR', "the pair's row"),
      self_score: column('FLOAT', "the pair's own score"),
      learner_loss: column('FLOAT', "the learner's loss of the pair"),
      teacher_loss: column('FLOAT', "the teacher's loss of the pair"),
    },
  },
  metrics: {
    what: 'every training step of both learners',
    columns: {
      run: column('VARCHAR', '`selected` or `uniform`'),
      step: column('INTEGER', 'from 0'),
      loss: column('DOUBLE', 'of the batch'),
      gradient_norm: column('DOUBLE', 'before it is clipped', 'gradientNorm'),
      learning_rate: column('DOUBLE', 'of the step', 'learningRate'),
      seconds: column('DOUBLE', 'since the start, evaluation left out'),
      flops: column('DOUBLE', 'since the start; null where they are not counted'),
    },
  },
  images: {
    what: "the kept rows' encoded images",
    columns: {
      key: column('VARCHAR', "the row's name"),
      bytes: column('BLOB', 'as they were found: never trusted', 'image.bytes'),
      file: column('VARCHAR', "the run's shard, such as 00000.parquet", 'parse_filename(filename)'),
      file_row: column('BIGINT', "the row's index in that shard", 'file_row_number'),
    },
  },
  embeddings: {
    what: "the kept rows' embeddings, where a teacher made them",
    columns: {
      key: column('VARCHAR', "the row's name"),
      teacher_image: column('FLOAT[]', 'a unit vector'),
      teacher_text: column('FLOAT[]', 'a unit vector'),
    },
  },
} as const satisfies Readonly<Record<string, View>>;

/** The name of a view. */
export type ViewName = keyof typeof views;

/** The names of the views, as they are listed. */
export const viewNames = Object.keys(views) as ViewName[];
