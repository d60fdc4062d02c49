//! What of a recipe decides the training, as a digest: a run goes on with the same alone.

use super::{ColoursOn, DamageRecipe, EvaluationRecipe, Recipe};

/// The keys of a run's recipe that may change before it goes on, in words.
pub const FREE_KEYS: &str = "name, steps, log_every_steps, checkpoint_every_steps, \
                             gradient_checkpointing, model.weights, data.on_damage, data.workers, \
                             augmentation.colours_on, [evaluation] and the folders of shards";

impl Recipe {
    /// BLAKE3 of every key but the [`FREE_KEYS`].
    ///
    /// # Panics
    /// Never: a recipe without its paths is JSON.
    #[must_use]
    pub fn training_digest(&self) -> blake3::Hash {
        let mut fixed = self.clone();
        fixed.name = String::new();
        [fixed.steps, fixed.log_every_steps, fixed.checkpoint_every_steps] = [0; 3];
        fixed.gradient_checkpointing = false;
        fixed.model.weights = None;
        fixed.data.on_damage = DamageRecipe::Strict;
        fixed.data.workers = 0;
        // What the shards are is in the run's facts, wherever they lie.
        fixed.data.sources.iter_mut().for_each(|source| source.shards.clear());
        fixed.augmentation.colours_on = ColoursOn::Loader;
        fixed.evaluation = EvaluationRecipe { protocol: String::new(), window: [0; 2] };
        let json = serde_json::to_vec(&fixed).expect("invariant: a recipe without paths is JSON");
        blake3::hash(&json)
    }
}
