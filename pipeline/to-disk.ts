import { copyFile, link, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Waits until a file is on the disk, or, of a folder, the names in it. */
export async function syncOne(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Waits until a folder is on the disk, with the files and folders in it and below it. */
export async function syncFolder(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const inside = entries.filter((entry) => entry.isFile() || entry.isDirectory());
  await Promise.all(inside.map(({ parentPath, name }) => syncOne(join(parentPath, name))));
  await syncOne(folder);
}

/** Writes a file and waits until it is on the disk. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Gives a file a second name, or the second name a copy that is on the disk where there can be no link. */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(async () => {
    await copyFile(from, to);
    await syncOne(to);
  });
}
