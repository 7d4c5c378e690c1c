"""The errors that Beholder raises on purpose; every other exception is a bug."""


class BeholderError(Exception):
    """An expected failure: what is wrong, the value, where, and the next action.

    The command line prints it as one line on stderr and exits with 1.
    """


class DataError(BeholderError):
    """Images, items or ratings that cannot be used as they are."""


class ImageError(DataError):
    """Bytes that are no usable image; the sentence can be shown to whoever sent them."""


class ValidationError(BeholderError):
    """The data failed its checks, so that nothing may be learnt from them."""


class TrainingError(BeholderError):
    """Learning went astray: the loss is no longer a number."""


class ParameterError(BeholderError):
    """params.yaml or the environment says something that Beholder does not understand."""


class CorruptFileError(BeholderError):
    """A file whose bytes are not the bytes that were written."""


class WorkspaceError(BeholderError):
    """No workspace here, one that is in use, or one that another version laid down."""


class ServiceError(BeholderError):
    """A server (Prefect, MLflow, the endpoint) does not answer, or answers with an error."""


class ConflictError(BeholderError):
    """The world moved between looking and acting: look again, then act again."""
